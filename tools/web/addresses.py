"""Tell addresses of the public internet from those of this machine, its network or its cloud."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_NOT_FOR_SERVERS = (  # in addition to `is_global`, which differs between versions of Python
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("2001::/23"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_network("3fff::/20"),
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether a server on the public internet can have this address (RFC 6890), given as text without a port.

    An IPv6 address that embeds an IPv4 address (mapped, 6to4, NAT64) is public if that one is. An address with a zone
    (`fe80::1%eth0`) is not public, nor is text that is not an address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return False
        if (embedded := _embedded(parsed)) is not None:
            return _is_public(embedded)
        return parsed in _GLOBAL_UNICAST and _is_public(parsed)
    return _is_public(parsed)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _NOT_FOR_SERVERS)
