"""Makes .venv from uv.lock with nothing but a Python: finds uv, or installs it into .uv/, and lets it sync."""

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

UV_VERSION = "0.13.9"
UV_OLDEST = (0, 8)
PYTHON_OLDEST = (3, 11)
LOCAL = Path(".uv")

NO_NETWORK = """\
uv could not be had from the Python package index: this first run needs the network.
Behind a proxy or with a mirror of your own, set HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT as for pip,
or install uv yourself (https://docs.astral.sh/uv/) and run the same command again.
"""


def main():
    use_a_python_that_is_new_enough()
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
    if "SSL_CERT_FILE" not in os.environ and os.environ.get("PIP_CERT"):
        os.environ["SSL_CERT_FILE"] = os.environ["PIP_CERT"]
    uv = installed_uv() or local_uv() or uv_by_venv() or uv_by_pip() or uv_by_download()
    if uv is None:
        sys.exit(NO_NETWORK)
    sys.exit(subprocess.call([uv, "sync", "--locked", "--quiet", "--python", base_python()]))


def use_a_python_that_is_new_enough():
    if sys.version_info >= PYTHON_OLDEST:
        return
    for minor in range(20, PYTHON_OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])  # noqa: S606 - the same script, another Python
    sys.exit(f"Python {PYTHON_OLDEST[0]}.{PYTHON_OLDEST[1]} or newer is needed; this is {platform.python_version()}")


def base_python():
    """The interpreter outside of any virtual environment, so that ours does not hang on somebody else's."""
    return str(Path(getattr(sys, "_base_executable", None) or sys.executable))


def say(text):
    sys.stderr.write(text + "\n")


def installed_uv():
    uv = shutil.which("uv")
    return uv if uv and version_of(uv) >= UV_OLDEST else None


def local_uv():
    for uv in (LOCAL / "bin" / "uv", LOCAL / "target" / "bin" / "uv"):
        if uv.exists() and version_of(uv) >= UV_OLDEST:
            return str(uv.absolute())
    return None


def version_of(uv):
    done = subprocess.run([str(uv), "--version"], capture_output=True, text=True, check=False)
    numbers = re.findall(r"\d+", done.stdout)
    return tuple(int(number) for number in numbers[:2])


def uv_by_venv():
    say(f"installing uv {UV_VERSION} into {LOCAL}/")
    if subprocess.run([sys.executable, "-m", "venv", "--clear", LOCAL], capture_output=True, check=False).returncode:
        return None  # some systems ship Python without ensurepip
    return pip_install([str(LOCAL / "bin" / "python"), "-m", "pip"], [])


def uv_by_pip():
    return pip_install([sys.executable, "-m", "pip"], ["--target", str(LOCAL / "target")])


def pip_install(pip, where):
    command = [*pip, "install", "--quiet", "--disable-pip-version-check", *where, f"uv=={UV_VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return local_uv() if done.returncode == 0 else None


def uv_by_download():
    """Without pip: the wheel is a zip file, and the index says its digest."""
    try:
        wheel = download_wheel()
    except (OSError, ValueError) as error:
        say(f"pypi.org: {error}")
        return None
    with zipfile.ZipFile(io.BytesIO(wheel)) as files:
        name = next(name for name in files.namelist() if name.endswith("/scripts/uv"))
        target = LOCAL / "bin" / "uv"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files.read(name))
    target.chmod(0o755)
    return local_uv()


def download_wheel():
    release = json.loads(read(f"https://pypi.org/pypi/uv/{UV_VERSION}/json"))
    machine = {"arm64": "(arm64|aarch64)", "aarch64": "(arm64|aarch64)"}.get(platform.machine(), platform.machine())
    system = "macosx" if sys.platform == "darwin" else "musllinux" if platform.libc_ver()[0] != "glibc" else "manylinux"
    for file in release["urls"]:
        if re.search(rf"{system}.*_{machine}\.whl$", file["filename"]):
            wheel = read(file["url"])
            if hashlib.sha256(wheel).hexdigest() != file["digests"]["sha256"]:
                raise ValueError("the file is not the one the index describes")
            return wheel
    raise ValueError(f"no uv for {sys.platform} on {platform.machine()}")


def read(url):
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - https, written above
        return answer.read()


if __name__ == "__main__":
    main()
