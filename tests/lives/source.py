"""The folder that is put: files that come, change and go."""
import os
import random


class Source:
    def __init__(self, folder, r):
        self.folder, self.r = folder, r
        os.mkdir(folder)
        for _ in range(4):
            self.write()

    def chance(self, one_in):
        return self.r.randrange(one_in) == 0

    def change(self):
        for _ in range(self.r.randint(1, 4)):
            self.r.choice([self.write, self.write, self.write, self.append, self.remove_file,
                           self.touch, self.link, self.hole])()

    def file(self):
        return os.path.join(self.folder, f"f{self.r.randrange(6)}")

    def bytes(self):
        """From nothing to several groups; of few seeds, so that chunks are met again."""
        noise = random.Random(self.r.randrange(6))
        n = self.r.randrange(self.r.choice([300, 20000, 400000]))
        return noise.randbytes(n) if self.chance(2) else noise.randbytes(n // 2).hex().encode()

    def clear(self, path):
        if os.path.lexists(path):
            os.unlink(path)

    def write(self):
        path, content = self.file(), self.bytes()
        if self.chance(2):
            self.clear(path)
        with open(path, "wb") as f:
            f.write(content)

    def append(self):
        with open(self.file(), "ab") as f:
            f.write(self.bytes())

    def remove_file(self):
        self.clear(self.file())

    def touch(self):
        path = self.file()
        if os.path.isfile(path):
            os.chmod(path, self.r.choice([0o600, 0o644, 0o755]))
            os.utime(path, ns=(0, self.r.randrange(2 * 10 ** 18)))

    def link(self):
        to, name = self.file(), os.path.join(self.folder, f"l{self.r.randrange(3)}")
        self.clear(name)
        if self.chance(2):
            os.symlink(os.path.basename(to), name)
        elif os.path.isfile(to):
            os.link(to, name, follow_symlinks=False)

    def hole(self):
        with open(self.file(), "ab") as f:
            f.truncate(f.tell() + self.r.randrange(300000))
