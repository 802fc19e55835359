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
import urllib.parse
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
    uv = installed_uv() or local_uv() or uv_by_pip() or uv_by_download()
    if uv is None:
        sys.exit(NO_NETWORK)
    say("installing the locked packages into .venv/")
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    sys.exit(subprocess.call([uv, "sync", "--locked", "--compile-bytecode", *quiet, "--python", base_python()]))


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


def uv_by_pip():
    say(f"installing uv {UV_VERSION} into {LOCAL}/")
    if succeeds([sys.executable, "-m", "venv", "--clear", str(LOCAL)]):
        pip = [str(LOCAL / "bin" / "python"), "-m", "pip", "install"]
    else:  # some systems ship Python without ensurepip
        pip = [sys.executable, "-m", "pip", "install", "--target", str(LOCAL / "target")]
    quiet = ["--quiet", "--disable-pip-version-check"]
    return local_uv() if succeeds([*pip, *quiet, f"uv=={UV_VERSION}"]) else None


def succeeds(command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def uv_by_download():
    """Without pip: the index says where the wheel is and what its digest is, and a wheel is a zip file."""
    try:
        wheel = download_wheel(os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/uv/")
    except (OSError, ValueError) as error:
        say(str(error))
        return None
    with zipfile.ZipFile(io.BytesIO(wheel)) as files:
        name = next(name for name in files.namelist() if name.endswith("/scripts/uv"))
        target = LOCAL / "bin" / "uv"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files.read(name))
    target.chmod(0o755)
    return local_uv()


def download_wheel(page):
    machine = "(arm64|aarch64)" if platform.machine() in {"arm64", "aarch64"} else platform.machine()
    system = "macosx" if sys.platform == "darwin" else "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    fitting = re.compile(rf"uv-{re.escape(UV_VERSION)}-.*{system}.*_{machine}\.whl")
    for file in json.loads(read(page))["files"]:
        if fitting.fullmatch(file["filename"]):
            wheel = read(urllib.parse.urljoin(page, file["url"]))
            if hashlib.sha256(wheel).hexdigest() != file["hashes"]["sha256"]:
                raise ValueError(f"{file['filename']} is not what {page} describes")
            return wheel
    raise ValueError(f"{page} has no uv {UV_VERSION} for {sys.platform} on {platform.machine()}")


def read(url):
    accept = {"Accept": "application/vnd.pypi.simple.v1+json, */*"}
    request = urllib.request.Request(url, headers=accept)  # noqa: S310 - the index that the user has set
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        return answer.read()


if __name__ == "__main__":
    main()
