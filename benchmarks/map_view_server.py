"""The Lab's own server over benchmarks/map_view_app.py: python -m benchmarks.map_view_server PORT"""

import sys
from pathlib import Path

from dashboard.cli.dashboard import settings

SCRIPT = Path(__file__).with_name("map_view_app.py")

if __name__ == "__main__":
    from streamlit.web import bootstrap

    options = {**settings(), "server.address": "127.0.0.1", "server.port": int(sys.argv[1])}
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run_asgi_app(str(SCRIPT), "benchmarks.map_view_server:app", [], options)
else:  # imported by the server, which knows its options by now
    from dashboard.server.asgi import lab_app

    app = lab_app(SCRIPT)
