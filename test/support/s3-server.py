"""An S3 server on a loopback port for tests: OpenStack Swift with its s3api, all of it in this process.

    /usr/bin/python3 s3-server.py FOLDER ACCESS-KEY SECRET-KEY

Debian's python3-swift. Objects are kept in memory, listings in FOLDER. Prints its port when it serves, and ends
when its standard input does.
"""
import eventlet
eventlet.monkey_patch()

import os
import sys
from eventlet import listen, wsgi
from eventlet.hubs import trampoline

folder, access, secret = sys.argv[1:4]
with open(os.path.join(folder, 'swift.conf'), 'w') as conf:
    conf.write('[swift-hash]\nswift_hash_path_suffix = tests\n')

from swift.common import utils
utils.set_swift_dir(folder)
utils.validate_hash_conf()

from swift.account.server import AccountController
from swift.common.middleware import catch_errors, gatekeeper, listing_formats, tempauth
from swift.common.middleware.s3api import s3api
from swift.common.ring import RingBuilder
from swift.container.server import ContainerController
from swift.obj.mem_server import ObjectController
from swift.proxy.server import Application


class Silent:
    def write(self, *args):
        pass

    def debug(self, *args, **kwargs):
        pass

    info = warning = error = exception = debug


class Cache:
    """What memcached would keep."""

    def __init__(self, app):
        self.app = app
        self.entries = {}

    def __call__(self, env, start_response):
        env['swift.cache'] = self
        return self.app(env, start_response)

    def get(self, key, **kwargs):
        return self.entries.get(key)

    def set(self, key, value, **kwargs):
        self.entries[key] = value

    def delete(self, key, **kwargs):
        self.entries.pop(key, None)


def serve(app, sock):
    eventlet.spawn(wsgi.server, sock, app, Silent(), log_output=False, keepalive=True)


os.makedirs(os.path.join(folder, 'devices', 'one'))
storage = {'devices': os.path.join(folder, 'devices'), 'mount_check': 'false', 'swift_dir': folder,
           'log_level': 'CRITICAL'}
sockets = {}
for kind in ('account', 'container', 'object'):
    sockets[kind] = listen(('127.0.0.1', 0), backlog=128)
    ring = RingBuilder(1, 1, 0)
    ring.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': sockets[kind].getsockname()[1],
                  'device': 'one', 'weight': 1.0})
    ring.rebalance()
    ring.get_ring().save(os.path.join(folder, kind + '.ring.gz'))
serve(AccountController(storage), sockets['account'])
serve(ContainerController(storage), sockets['container'])
serve(ObjectController(storage), sockets['object'])

proxy = {'swift_dir': folder, 'account_autocreate': 'true', 'allow_account_management': 'true',
         'log_level': 'CRITICAL'}
account, user = access.split(':')
app = Application(proxy)
app = tempauth.filter_factory(proxy, **{'user_%s_%s' % (account, user): secret + ' .admin'})(app)
app = s3api.filter_factory(proxy, location='us-east-1')(app)
app = listing_formats.filter_factory(proxy)(app)
app = Cache(app)
app = gatekeeper.filter_factory(proxy)(app)
app = catch_errors.filter_factory(proxy)(app)
front = listen(('127.0.0.1', 0), backlog=128)
serve(app, front)
print(front.getsockname()[1], flush=True)

while True:
    # A plain read would block all of the process.
    trampoline(0, read=True)
    if not os.read(0, 4096):
        os._exit(0)
