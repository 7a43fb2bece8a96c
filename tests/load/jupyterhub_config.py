"""The hub of the load test: on loopback alone, with a password that it was started with.

The settings are those that INSTRUCTORS.md recommends, as far as one machine has them.
"""

import os
import sys
from pathlib import Path
from typing import Any

from traitlets.config import Config

c: Config = get_config()  # type: ignore[name-defined]  # noqa: F821

folder = Path(os.environ["SEEGRAD_LOAD_FOLDER"])
ports: list[str] = os.environ["SEEGRAD_LOAD_PORTS"].split()

hub: Any = c.JupyterHub
hub.bind_url = f"http://127.0.0.1:{ports[0]}/"
hub.hub_bind_url = f"http://127.0.0.1:{ports[1]}"
hub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
hub.cookie_secret_file = str(folder / "cookie_secret")
hub.authenticator_class = "dummy"
hub.spawner_class = "simple"
# Nobody is turned away because the others are still on their way in.
hub.concurrent_spawn_limit = 0
hub.log_level = "WARN"

c.ConfigurableHTTPProxy.command = [os.environ["SEEGRAD_LOAD_PROXY"], "--log-level=error"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")

c.DummyAuthenticator.password = os.environ["SEEGRAD_LOAD_PASSWORD"]
c.Authenticator.allow_all = True

c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "homes" / "{username}")
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--ServerApp.ip=127.0.0.1"]
c.Spawner.default_url = "/lab"
# A kernel's threads would only take the cores from the other learners' kernels.
c.Spawner.environment = {
    "OMP_NUM_THREADS": "1",
    "MPLCONFIGDIR": str(Path(sys.prefix) / "matplotlib"),
    "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
}
c.Spawner.start_timeout = c.Spawner.http_timeout = 600
