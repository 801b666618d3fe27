"""Names of months and weekdays in the languages that the locale of a number format may ask for.

Excel shows `[$-407]d. mmmm yyyy` in German on any computer. The languages are those with the most speakers of Excel;
dates in others get English names. Windows writes short names by its own rules, which differ from CLDR's.
"""

from typing import NamedTuple


class Names(NamedTuple):
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    days: tuple[str, ...]
    """From Sunday."""
    short_days: tuple[str, ...]


def _names(months: str, short_months: str, days: str, short_days: str) -> Names:
    return Names(*(tuple(names.split()) for names in (months, short_months, days, short_days)))


_CJK = " ".join(f"{month}月" for month in range(1, 13))

_BY_LANGUAGE: dict[int, Names] = {
    0x09: _names(
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
        "Sun Mon Tue Wed Thu Fri Sat",
    ),
    0x07: _names(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
        "Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag",
        "So Mo Di Mi Do Fr Sa",
    ),
    0x0C: _names(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "dimanche lundi mardi mercredi jeudi vendredi samedi",
        "dim. lun. mar. mer. jeu. ven. sam.",
    ),
    0x0A: _names(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
        "domingo lunes martes miércoles jueves viernes sábado",
        "do. lu. ma. mi. ju. vi. sá.",
    ),
    0x10: _names(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "domenica lunedì martedì mercoledì giovedì venerdì sabato",
        "dom lun mar mer gio ven sab",
    ),
    0x13: _names(
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan feb mrt apr mei jun jul aug sep okt nov dec",
        "zondag maandag dinsdag woensdag donderdag vrijdag zaterdag",
        "zo ma di wo do vr za",
    ),
    0x16: _names(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado",
        "dom seg ter qua qui sex sáb",
    ),
    0x06: _names(
        "januar februar marts april maj juni juli august september oktober november december",
        "jan feb mar apr maj jun jul aug sep okt nov dec",
        "søndag mandag tirsdag onsdag torsdag fredag lørdag",
        "sø ma ti on to fr lø",
    ),
    0x1D: _names(
        "januari februari mars april maj juni juli augusti september oktober november december",
        "jan feb mar apr maj jun jul aug sep okt nov dec",
        "söndag måndag tisdag onsdag torsdag fredag lördag",
        "sö må ti on to fr lö",
    ),
    0x14: _names(
        "januar februar mars april mai juni juli august september oktober november desember",
        "jan feb mar apr mai jun jul aug sep okt nov des",
        "søndag mandag tirsdag onsdag torsdag fredag lørdag",
        "sø ma ti on to fr lø",
    ),
    0x0B: _names(
        "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu",
        "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
        "sunnuntai maanantai tiistai keskiviikko torstai perjantai lauantai",
        "su ma ti ke to pe la",
    ),
    0x15: _names(
        "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
        "sty lut mar kwi maj cze lip sie wrz paź lis gru",
        "niedziela poniedziałek wtorek środa czwartek piątek sobota",
        "nie pon wto śro czw pią sob",
    ),
    0x05: _names(
        "leden únor březen duben květen červen červenec srpen září říjen listopad prosinec",
        "I II III IV V VI VII VIII IX X XI XII",
        "neděle pondělí úterý středa čtvrtek pátek sobota",
        "ne po út st čt pá so",
    ),
    0x19: _names(
        "Январь Февраль Март Апрель Май Июнь Июль Август Сентябрь Октябрь Ноябрь Декабрь",
        "янв фев мар апр май июн июл авг сен окт ноя дек",
        "воскресенье понедельник вторник среда четверг пятница суббота",
        "Вс Пн Вт Ср Чт Пт Сб",
    ),
    0x1F: _names(
        "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
        "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara",
        "Pazar Pazartesi Salı Çarşamba Perşembe Cuma Cumartesi",
        "Paz Pzt Sal Çar Per Cum Cmt",
    ),
    0x11: _names(_CJK, _CJK, "日曜日 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日", "日 月 火 水 木 金 土"),
    0x04: _names(
        "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月",
        _CJK,
        "星期日 星期一 星期二 星期三 星期四 星期五 星期六",
        "周日 周一 周二 周三 周四 周五 周六",
    ),
    0x12: _names(
        " ".join(f"{month}월" for month in range(1, 13)),
        " ".join(map(str, range(1, 13))),
        "일요일 월요일 화요일 수요일 목요일 금요일 토요일",
        "일 월 화 수 목 금 토",
    ),
}

ERAS = ((2019, 5, 1, "令和", "R"), (1989, 1, 8, "平成", "H"), (1926, 12, 25, "昭和", "S"), (1912, 7, 30, "大正", "T"))
"""First day, name and letter of the Japanese eras of dates that occur, the newest first."""


def names_of(language: int) -> Names:
    """The names in the language of a Windows locale identifier; English ones if it is not known."""
    return _BY_LANGUAGE.get(language & 0x3FF, _BY_LANGUAGE[0x09])
