"""Get an object instead of prose, described by a pydantic model.

LONGREAD_SERVER=http://localhost:8000/v1 python examples/objects.py contract.pdf
"""

import os
import sys

from pydantic import BaseModel, Field

from longread import Corpus, LongReader
from longread.errors import InvalidAnswer


class Contract(BaseModel):
    parties: list[str]
    notice_days: int = Field(description="days of notice")
    page: int = Field(description="the page that says so")


if len(sys.argv) < 2:
    sys.exit(__doc__)
reader = LongReader(
    Corpus.load(sys.argv[1:]), server=os.environ["LONGREAD_SERVER"], model=os.environ.get("LONGREAD_MODEL")
)
try:
    contract: Contract = reader.ask("Who are the parties, and what is the notice?", schema=Contract).parsed
except InvalidAnswer as error:  # raised after a second attempt
    sys.exit(f"{error}\n{error.text}")
print(contract.model_dump_json(indent=2))
