"""The choice of the engine, and what is asked of docker: programs by the engines' names answer with what real ones printed."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[1]
BUILDX = "github.com/docker/buildx v0.29.1 "
# Of the help: the usage, and the option in question, which the builder before buildx lacks.
HELP = """\
Usage:  docker buildx build [OPTIONS] PATH | URL | -
      --build-context stringArray     Additional build contexts (e.g.,"""
OLD_HELP = """\
Usage:  docker build [OPTIONS] PATH | URL | -
      --build-arg list          Set build-time variables"""


@dataclass(frozen=True)
class Docker:
    """What a program `docker` prints; an empty text makes the command fail."""

    program: str = "Docker version 28.2.2, build e6534b4"
    server: str = "28.5.2"
    client: str = "28.2.2"
    buildx: str = BUILDX
    help: str = HELP
    builds: bool = True

    def put(self, folder: Path) -> None:
        """Write the program into a folder; it keeps the arguments and variables of a build in `built`."""
        (folder / "docker").write_text(f"""#!/bin/sh
say() {{ [ "$1" ] && printf '%s\\n' "$1"; }}
case "$*" in
  --version) say '{self.program}' ;;
  info) ;;
  *Server*) say '{self.server}' ;;
  *Client*) say '{self.client}' ;;
  'buildx version') say '{self.buildx}' ;;
  'build --help') say '{self.help}' ;;
  build*) {{ printf '%s\\n' "$@"; env; }} >{folder}/built; {str(self.builds).lower()} ;;
  *) exit 1 ;;
esac
""")
        (folder / "docker").chmod(0o755)


def build(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Build with the programs of a folder; that wheels are downloaded shows by the file `downloaded`."""
    (folder / "python").write_text(f"#!/bin/sh\n: >{folder}/downloaded\n")
    (folder / "python").chmod(0o755)
    ours = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(folder / "python"),
        "WHEELS": str(folder / "wheels"),
        "ARCH": "x86_64",
    }
    return subprocess.run(
        ["containers/build.sh", "cpu"], cwd=CLONE, env=os.environ | ours | environment, capture_output=True, text=True
    )


# Debian 12's docker, alone and with buildx added; a newer client with it; the other way round; a plugin that is missing.
UNUSABLE = {
    "server 20.10.24+dfsg1, client 20.10.24+dfsg1, buildx not found": Docker(
        "Docker version 20.10.24+dfsg1, build 297e128", "20.10.24+dfsg1", "20.10.24+dfsg1", "", OLD_HELP
    ),
    "server 20.10.24+dfsg1, client 28.2.2, buildx v0.29.1": Docker(server="20.10.24+dfsg1"),
    "server 28.5.2, client 20.10.24+dfsg1, buildx v0.29.1": Docker(client="20.10.24+dfsg1", help=OLD_HELP),
    "server 28.5.2, client 28.2.2, buildx not found": Docker(buildx="", help=""),
}


@pytest.mark.parametrize("versions", UNUSABLE)
def test_a_docker_that_cannot_build_the_image_is_refused_before_anything_is_downloaded(tmp_path: Path, versions: str) -> None:
    UNUSABLE[versions].put(tmp_path)
    done = build(tmp_path, ENGINE="docker")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: this docker ({versions}) cannot build the image: install docker 23 or newer "
        "with its plugin buildx (https://docs.docker.com/go/buildx/), or take podman: ENGINE=podman\n"
    )
    assert not (tmp_path / "downloaded").exists()
    assert not (tmp_path / "built").exists()


@pytest.mark.parametrize("server", ["23.0.0", "28.5.2", "dev"])
def test_a_docker_that_can_gets_the_commits_time(tmp_path: Path, server: str) -> None:
    Docker(server=server).put(tmp_path)
    done = build(tmp_path, ENGINE="docker", SOURCE_DATE_EPOCH="")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "downloaded").exists()
    built = (tmp_path / "built").read_text().splitlines()
    time = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=CLONE, capture_output=True, text=True, check=True).stdout
    assert f"SOURCE_DATE_EPOCH={time.strip()}" in built
    assert "DOCKER_BUILDKIT=1" in built


def test_podman_under_dockers_name_is_taken_for_podman(tmp_path: Path) -> None:
    """As Debian's package podman-docker has it."""
    Docker(program="podman version 4.3.1", server="4.3.1", client="4.3.1", buildx="buildah 1.28.2").put(tmp_path)
    (tmp_path / "podman").symlink_to("docker")
    done = build(tmp_path, ENGINE="docker")
    assert done.returncode == 0, done.stderr
    assert "--timestamp" in (tmp_path / "built").read_text().splitlines()


def test_where_docker_cannot_have_the_base_image_the_way_by_docker_is_named(tmp_path: Path) -> None:
    Docker(builds=False).put(tmp_path)
    done = build(tmp_path, ENGINE="docker", BASE_IMAGE="")
    assert done.returncode == 1
    by_docker = "make image-cpu ENGINE=docker BASE_IMAGE=localhost/debian:bookworm-python"
    assert f"ENGINE=docker containers/base.sh, and then: {by_docker}" in done.stderr


@pytest.mark.parametrize(
    ("chosen", "engine", "imported"),
    [
        ({}, "podman", ["--quiet", "--arch", "amd64"]),
        ({"ARCH": "aarch64"}, "podman", ["--quiet", "--arch", "arm64"]),
        ({"ENGINE": "docker", "ARCH": "aarch64"}, "docker", ["--platform", "linux/arm64"]),
    ],
)
def test_a_base_image_is_made_of_options_alone_and_goes_to_the_engine(
    tmp_path: Path, chosen: dict[str, str], engine: str, imported: list[str]
) -> None:
    """An ordinary user's mmdebstrap runs in a namespace in which files in that user's folders cannot be read."""
    for name in ("mmdebstrap", engine):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/{name}.said\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "apt-config").symlink_to("/bin/true")
    environment = {name: value for name, value in os.environ.items() if name != "ENGINE"} | {"ARCH": "x86_64"} | chosen
    environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["containers/base.sh", "localhost/x"], cwd=CLONE, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "localhost/x\n"), done.stderr
    *options, suite, tarball = (tmp_path / "mmdebstrap.said").read_text().splitlines()
    assert suite == "bookworm"
    assert f"--architectures={imported[-1].removeprefix('linux/')}" in options
    assert [option for option in options if str(Path(tarball).parent) in option] == []
    assert [option for option in options if "dpkgopt" in option] == [
        f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")
    ]
    assert (tmp_path / f"{engine}.said").read_text().splitlines() == ["import", *imported, tarball, "localhost/x"]
