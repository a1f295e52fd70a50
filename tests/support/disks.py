"""Small file systems of a test's own, in an image file, that can be filled, frozen, made read-only and taken away."""

import os
import subprocess
import time
from pathlib import Path
from typing import Self

from support.tools import missing


class Disk:
    """An ext4 file system mounted at `folder`; nothing of it is left when the block ends."""

    def __init__(self, folder: Path, size_bytes: int, *options: str) -> None:
        self.folder = folder
        self._image = folder.with_name(f"{folder.name}.img")
        self._image.touch()
        os.truncate(self._image, size_bytes)
        self._options = options
        self._frozen = False

    def __enter__(self) -> Self:
        try:
            # Nothing is kept for root: the disk is full when it is full.
            run("mkfs.ext4", "-q", "-m", "0", *self._options, str(self._image))
            self.device = run("losetup", "--find", "--show", str(self._image))
        except (OSError, subprocess.CalledProcessError) as error:
            missing(f"a small file system can be made by root only, where there are loop devices: {error}")
        self.folder.mkdir(exist_ok=True)
        try:
            self.mount()
        except subprocess.CalledProcessError as error:
            run("losetup", "--detach", self.device)
            missing(f"a small file system can be mounted by root only: {error.stderr}")
        return self

    def __exit__(self, *_error: object) -> None:
        self.thaw()
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)
        run("losetup", "--detach", self.device)

    def mount(self) -> None:
        """Mount it, again after `leave`."""
        run("mount", self.device, str(self.folder))

    def leave(self) -> None:
        """Take it away under those who use it: they keep what they have open, and find nothing of the rest."""
        run("umount", "--lazy", str(self.folder))

    def remount(self, how: str) -> None:
        """Make it `ro` or `rw`; the former is refused for as long as a file of it is open for writing, so it is tried again."""
        for _ in range(100):
            try:
                run("mount", "-o", f"remount,{how}", str(self.folder))
            except subprocess.CalledProcessError:
                time.sleep(0.1)
            else:
                return
        run("mount", "-o", f"remount,{how}", str(self.folder))

    def freeze(self) -> None:
        """Let every write hang until `thaw`."""
        run("fsfreeze", "--freeze", str(self.folder))
        self._frozen = True

    def thaw(self) -> None:
        """End a freeze, if there is one."""
        if self._frozen:
            run("fsfreeze", "--unfreeze", str(self.folder))
            self._frozen = False

    def fail(self) -> None:
        """Let the file system find an error, after which it takes no writes until it is mounted anew."""
        Path(f"/sys/fs/ext4/{Path(self.device).name}/trigger_fs_error").write_text("for a test\n")

    def free_bytes(self) -> int:
        """Return the room that is left."""
        about = os.statvfs(self.folder)
        return about.f_bavail * about.f_frsize


def fill(file: Path) -> None:
    """Fill the file system of `file` to its last byte."""
    with file.open("wb", buffering=0) as filler:
        for piece in (1 << 20, 4096, 1):
            try:
                while filler.write(bytes(piece)) == piece:
                    pass
            except OSError:
                continue
        os.fsync(filler.fileno())


def run(*command: str) -> str:
    """Run a program and return what it said."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
