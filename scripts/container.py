"""
Builds the Dockerfile of docs/containers.md, and has a worker in the container carry a run to its end.

    make container

It takes root, and from Debian ``buildah`` and ``mmdebstrap``; no Docker, no registry of images. What the Dockerfile
begins from is Debian with its own Python of the same version, under the name that stands there: what is proved is what
stands behind FROM. The container runs in a chroot, as the image's user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "containers.md"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SUITES = {"3.13": "trixie", "3.11": "bookworm"}
"""Releases of Debian, by the version of their Python."""

PACKAGES = "ca-certificates,python3,python3-pip,python-is-python3"
PIP_CONF = f"""[global]
find-links = /wheels
cert = {CERTIFICATES}
break-system-packages = true
"""
"""Debian's pip leaves system packages alone; that of the image that is stood in for does not."""

LIFE = """
set -eu
compiled() { ls -l --full-time "$TORPOR_CACHE" | grep -v lock | sha256sum; }
before=$(compiled)
echo "user $(id -u), $(du -sm "$TORPOR_CACHE" | cut -f1) MiB were compiled when the image was made"
"$@" & worker=$!
trap 'kill $worker 2>/dev/null || :' EXIT
torpor start checkout o-1 4200 --run-id o-1
torpor resume approve:o-1 yes --wait 60s
torpor start checkout o-1 4200 --run-id o-1 --wait
kill $worker
wait $worker
test "$before" = "$(compiled)"
echo "stopped in order, and nothing was compiled anew"
"""
"""A worker is what the image says, and the project what ``torpor init`` makes."""


class Images:
    """
    buildah, with a store of its own that goes when the block ends.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str | Path) -> str:
        """
        Run a command of buildah and return what it prints.

        Raises:
            SystemExit: it failed.
        """
        where = ["--root", f"{self._folder}/store", "--runroot", f"{self._folder}/run", "--storage-driver", "vfs"]
        done = subprocess.run(
            ["buildah", *where, *map(str, arguments)],
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"buildah {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def add_base(self, name: str, suite: str) -> None:
        """Make the image that a Dockerfile begins from, of Debian's packages."""
        system = self._folder / "system.tar"
        made = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, str(system)]
        subprocess.run(made, check=True)
        settings = self._folder / "pip.conf"
        settings.write_text(PIP_CONF, "utf-8")
        container = self("from", "scratch").strip()
        self("add", "--quiet", container, system, "/")
        self("add", "--quiet", container, settings, "/etc/pip.conf")
        self("commit", "--quiet", container, name)
        self("rm", container)


def main() -> None:
    """Build, run, and tell what came of it."""
    missing = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
    if missing or os.geteuid():
        sys.exit(f"this takes root, and apt-get install buildah mmdebstrap; missing: {', '.join(missing) or 'root'}")
    [dockerfile] = re.findall(r"```dockerfile\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    [(base, version)] = re.findall(r"^FROM (python:([\d.]+)-\S+)$", dockerfile, re.MULTILINE)
    with tempfile.TemporaryDirectory(prefix="torpor-container-") as place:
        folder = Path(place)
        images = Images(folder / "images")
        (folder / "images").mkdir()
        images.add_base(f"docker.io/library/{base}", SUITES[version])
        wheel = make_wheel(folder / "wheels")
        make_project(folder / "shop", dockerfile, wheel)
        began = time.monotonic()
        volumes = [*mount(folder / "wheels", "/wheels"), *mount(Path(CERTIFICATES), CERTIFICATES)]
        images("bud", "--pull-never", "--no-cache", *volumes, "--tag", "shop", folder / "shop")
        say(f"built in {time.monotonic() - began:.0f} s")
        say(live(images, folder))


def say(text: str) -> None:
    """Print a text, now."""
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


def make_wheel(folder: Path) -> Path:
    """Build Torpor's wheel into a folder, and return it."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL
    )
    return next(folder.glob("*.whl"))


def make_project(folder: Path, dockerfile: str, wheel: Path) -> None:
    """Make the project that is shipped: what ``torpor init`` writes, requirements, and the page's Dockerfile."""
    subprocess.run([sys.executable, "-m", "torpor.cli", "init", folder], check=True, stdout=subprocess.DEVNULL)
    (folder / "requirements.txt").write_text(f"torpor[postgres] @ file:///wheels/{wheel.name}\n", "utf-8")
    (folder / "Dockerfile").write_text(dockerfile, "utf-8")


def live(images: Images, folder: Path) -> str:
    """Run what the image says, as the user that it says, with a folder for the world; return what was printed."""
    config = json.loads(images("inspect", "--type", "image", "shop"))["OCIv1"]["config"]
    world = folder / "world"
    world.mkdir()
    shutil.chown(world, *(int(part) for part in ids_of(images, config["User"])))
    container = images("from", "--pull-never", "shop").strip()
    command = [*config["Entrypoint"], *config["Cmd"], "--processes", "1"]
    set_up = ["--env", "TORPOR_WORLD=sqlite:////world/shop.db", *mount(world, "/world", "rw")]
    return images("run", *set_up, container, "--", "sh", "-c", LIFE, "sh", *command)


def ids_of(images: Images, user: str) -> tuple[str, str]:
    """Return the numbers of the image's user and group."""
    container = images("from", "--pull-never", "shop").strip()
    told = images("run", container, "--", "sh", "-c", f"id -u {user}; id -g {user}").split()
    images("rm", container)
    return told[0], told[1]


def mount(source: Path, target: str, mode: str = "ro") -> list[str]:
    """Return the options that show something of this machine in a container."""
    return ["--volume", f"{source}:{target}:{mode}"]


if __name__ == "__main__":
    main()
