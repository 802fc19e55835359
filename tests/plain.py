"""Requests over plain HTTP, as processes of ours are asked."""

import ssl
from functools import partial

import httpx

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. A client loads all whom the world trusts otherwise, which takes longer than the request, and more than the
process asked has left to start while it is asked whether it has."""

get = partial(httpx.get, verify=NO_CERTIFICATES)
post = partial(httpx.post, verify=NO_CERTIFICATES)
request = partial(httpx.request, verify=NO_CERTIFICATES)
