"""Where on the network a web hook may go: a name is looked up once, and what was found is judged and then connected to.

So the answer can't change between the look and the leap, and however an address is spelled (`2130706433`, `0x7f.1`,
`::ffff:127.0.0.1`), it is judged as what it is.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]

UNICAST = ip_network("2000::/3")
"""All that is given out of IPv6; what is private, local to a link or reserved lies outside."""

NOT_PUBLIC = (ip_network("2002::/16"), ip_network("192.88.99.0/24"), ip_network("192.0.0.0/24"))
"""Python takes them for public: tunnels that lead to an IPv4 address nobody looked at, and protocols' own, where a cloud tells secrets."""

NAT64 = ip_network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A web hook's host is at an address that no setting allows."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label of a name has at most 63 letters
        raise OSError(f"{host} is no name that could be looked up") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def destinations(host: str, port: int, allowed: Sequence[Network], *, ask: LookUp = look_up) -> Sequence[str]:
    """Return the addresses of a host. Raises `ForbiddenAddressError` where one of them may not be gone to, and `OSError`."""
    found = [ip_address(each) for each in await ask(host, port)]
    if not found:
        raise OSError(f"{host} has no address")
    # one forbidden among others is no accident either
    for address in found:
        if not is_allowed(address, allowed):
            raise ForbiddenAddressError(f"{host} is at {address}, an address that is not public")
    return [str(address) for address in found]


def is_allowed(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address is public, or of a network that a setting names."""
    plain = _unwrapped(address)
    return _is_public(plain) or any(plain.version == network.version and plain in network for network in allowed)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that is meant by some of IPv6."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address


def _is_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast
