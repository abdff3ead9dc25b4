"""Addresses of clients, and what they count as."""

import ipaddress

from django.http import HttpRequest


def address_of(request: HttpRequest) -> str | None:
    """The client's address in its shortest form, or None where there is none (a Unix
    socket). Proxies have been dealt with before Django sees the request."""
    raw = str(request.META.get("REMOTE_ADDR") or "").partition("%")[0]
    try:
        address = ipaddress.ip_address(raw)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def neighbourhood_of(request: HttpRequest) -> str:
    """Return what a client's address counts as."""
    return neighbourhood(address_of(request))


def neighbourhood(address: str | None) -> str:
    """Return what an address counts as: for IPv6 its /64, of which one host has all."""
    if address and ":" in address:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return address or "unknown"
