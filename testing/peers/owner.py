"""What the servers of this folder share: they say their port first, and end when their owner does."""

import asyncio
import ssl
import sys


def context(certificate):
    """TLS with a certificate and its key in one file; none without."""
    if certificate is None:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    return tls


async def serve(server):
    """Says the port on standard output, then serves until standard input ends, as it does with the owner."""
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
