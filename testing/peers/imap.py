"""pymap: an IMAP server in memory with OBJECTID and without CONDSTORE, for one user."""

import argparse
import asyncio
import os

import owner
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    asked = parser.parse_args()
    settings = argparse.Namespace(
        host="127.0.0.1", port=0, debug=False, cert=None, key=None, tls=False, passlib_cfg=None, proxy_protocol=None,
        demo_data=False, demo_user=asked.user, demo_password=asked.password)
    backend, config = await DictBackend.init(settings, invalid_user_sleep=0.0)
    config.apply_context()
    imap = IMAPServer(backend.login, config)

    async def connected(reader, writer):
        await imap(reader, writer, SocketInfoLocal(writer))

    await owner.serve(await asyncio.start_server(connected, "127.0.0.1", 0))
    # Connections that are still open have nothing to say any more.
    os._exit(0)


asyncio.run(main())
