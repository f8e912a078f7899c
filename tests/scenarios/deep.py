# usage: deep.py FOLDER DEPTH LENGTH
# Makes folders within each other below FOLDER, their names LENGTH bytes long; every 30th and the
# last one hold a file. No path is longer than a name, so that there is no limit.
import os
import sys

name = "d" * int(sys.argv[3])
depth = int(sys.argv[2])
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(depth):
    os.mkdir(name, dir_fd=fd)
    below = os.open(name, os.O_RDONLY, dir_fd=fd)
    os.close(fd)
    fd = below
    if i % 30 == 0 or i == depth - 1:
        file = os.open("file", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=fd)
        os.write(file, b"%d\n" % i)
        os.utime(file, ns=(0, 981173106123456789))
        os.setxattr(file, "user.depth", b"%d" % i)
        os.symlink("../file", "link", dir_fd=fd)
        os.close(file)
os.fchmod(fd, 0o511)
os.utime(fd, ns=(0, 981173106123456789))
