//! Files, links, devices and descriptors.

use pastina::sandbox::Bind;

use super::support::{Neighbour, attack, held, shell};

#[tokio::test]
async fn nothing_outside_its_own_places_can_be_written() {
    held(&attack(
        r"
own = ('/home/vcap', '/tmp', '/dev/shm', '/dev/pts', '/proc')
for root, folders, files in os.walk('/', followlinks=False):
    if root.startswith(own): folders.clear(); continue
    if root.startswith(('/usr/share', '/usr/lib/x86_64-linux-gnu', '/usr/local/lib', '/usr/include', '/usr/src', '/sys')): folders.clear()
    path = os.path.join(root, '.attack')
    try: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)); broke(path)
    except OSError: pass
    for name in files[:50]:
        path = os.path.join(root, name)
        if os.path.islink(path): continue
        try: one = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError: continue
        if not root.startswith('/dev'): broke(path)
        os.close(one)
",
    ))
    .await;
}

#[tokio::test]
async fn no_path_climbs_out_of_the_root() {
    let case = attack(
        r"
for path in ('/..', '/../..', '../' * 40, '/proc/self/root/..', '/proc/self/cwd/../../../..', '/proc/1/root', '/proc/self/task/../root'):
    try: found = os.stat(path)
    except PermissionError: continue
    if (found.st_dev, found.st_ino) != (os.stat('/').st_dev, os.stat('/').st_ino) and path.startswith('/proc/1'): broke(path)
# A descriptor of a folder, and the folder moved away from under it.
os.makedirs('/tmp/a/b/c')
inside = os.open('/tmp/a/b/c', os.O_RDONLY | os.O_DIRECTORY)
os.rename('/tmp/a/b/c', '/tmp/c')
climbed = os.open('../' * 30, os.O_RDONLY | os.O_DIRECTORY, dir_fd=inside)
if sorted(os.listdir(climbed)) != sorted(os.listdir('/')): broke(os.listdir(climbed))
if os.path.exists('/etc/shadow') or os.path.exists('/etc/pastina') or os.path.exists('/var/lib/pastina'): broke('files of the host')
",
    );
    held(&case).await;
}

#[tokio::test]
async fn links_lead_nowhere_but_inside() {
    let case = shell("");
    let secret = case.folder("secret", &[("key", "of the host")]);
    drop(case);
    let mut case = attack(&format!(
        r"
for target in ({:?}, '/etc/shadow', '/root/.ssh', '/var/lib/pastina', '/run/pastina/endpoint.json', '/proc/1/root/etc/shadow'):
    os.symlink(target, '/tmp/link')
    refused(target, lambda: read('/tmp/link'), errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EISDIR)
    os.unlink('/tmp/link')
for target in ('/usr/bin/id', '/etc/passwd', '/etc/ssl'):
    refused(f'a hard link to {{target}}', lambda: os.link(target, '/tmp/link'), errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS)
refused('a link beside', lambda: os.link('/tmp', '/tmp/self'), errno.EPERM)
",
        secret.join("key").to_str().unwrap()
    ));
    case.folder("secret", &[("key", "of the host")]);
    case.spec.cwd = "/tmp".to_owned();
    held(&case).await;
}

#[tokio::test]
async fn no_device_can_be_made_or_reached() {
    held(&attack(
        r"
import stat
for kind, major, minor in ((stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 7, 0), (stat.S_IFCHR, 1, 1), (stat.S_IFCHR, 1, 2), (stat.S_IFCHR, 5, 1), (stat.S_IFCHR, 10, 200), (stat.S_IFCHR, 10, 229)):
    for where in ('/tmp/device', '/dev/shm/device', '/home/vcap/device'):
        refused(f'{major}:{minor} at {where}', lambda: os.mknod(where, kind | 0o666, os.makedev(major, minor)), errno.EPERM, errno.EACCES)
allowed = {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'pts', 'shm', 'fd', 'stdin', 'stdout', 'stderr'}
if set(os.listdir('/dev')) - allowed: broke(set(os.listdir('/dev')) - allowed)
for name in ('mem', 'kmem', 'port', 'kmsg', 'sda', 'vda', 'loop0', 'loop-control', 'fuse', 'kvm', 'net/tun', 'vhost-net', 'mapper/control', 'console', 'tty0', 'input/event0', 'snapshot', 'cpu/0/msr', 'hpet', 'rtc0', 'watchdog', 'uinput'):
    refused(name, lambda: os.open(f'/dev/{name}', os.O_RDONLY), errno.ENOENT, errno.ENOTDIR)
refused('entropy', lambda: __import__('fcntl').ioctl(os.open('/dev/urandom', os.O_RDONLY), 0x40085203, struct.pack('iii', 8, 8, 0)), errno.EPERM, errno.EACCES)
",
    ))
    .await;
}

#[tokio::test]
async fn a_read_only_part_stays_so() {
    let mut case = attack(
        r"
refused('write', lambda: write('/opt/tool/x', 'mine'), errno.EROFS, errno.EACCES)
refused('append', lambda: os.open('/opt/tool/x', os.O_WRONLY | os.O_APPEND), errno.EROFS, errno.EACCES)
refused('remove', lambda: os.unlink('/opt/tool/x'), errno.EROFS, errno.EACCES)
refused('rename', lambda: os.rename('/opt/tool/x', '/tmp/x'), errno.EROFS, errno.EACCES, errno.EXDEV)
refused('mode', lambda: os.chmod('/opt/tool/x', 0o777), errno.EROFS, errno.EPERM)
refused('owner', lambda: os.chown('/opt/tool/x', 2000, 2000), errno.EROFS, errno.EPERM)
refused('attribute', lambda: os.setxattr('/opt/tool/x', 'user.x', b'1'), errno.EROFS, errno.EPERM, errno.EACCES)
refused('times', lambda: os.utime('/opt/tool/x', (0, 0)), errno.EROFS, errno.EPERM)
again = os.open('/opt/tool/x', os.O_RDONLY)
refused('by its descriptor', lambda: os.open(f'/proc/self/fd/{again}', os.O_RDWR), errno.EROFS, errno.EACCES)
",
    );
    let source = case.folder("tool", &[("x", "tool")]);
    case.spec.binds = vec![Bind {
        source: source.clone(),
        target: "/opt/tool".into(),
        writable: false,
    }];
    held(&case).await;
    assert_eq!(std::fs::read_to_string(source.join("x")).unwrap(), "tool");
}

#[tokio::test]
async fn another_instances_files_are_out_of_reach() {
    let neighbour = Neighbour::start().await;
    let dir = neighbour.case().spec.dir.to_str().unwrap().to_owned();
    held(&attack(&format!(
        r"
for path in ('', '/control.sock', '/connect.sock', '/spec.json', '/status.json', '/log.0', '/private', '/private/tmp/secret'):
    refused(path, lambda: os.stat({dir:?} + path), errno.ENOENT)
if os.listdir('/tmp') != []: broke(os.listdir('/tmp'))
if os.path.exists('/tmp/secret'): broke('the neighbour\'s secret')
"
    )))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn the_platforms_program_cannot_be_changed_through_a_process_of_it() {
    held(&attack(
        r"
# As CVE-2019-5736 did to runc: init and the command's first moments are the platform's program.
for path in ('/proc/1/exe', '/proc/self/exe'):
    refused(path, lambda: os.open(path, os.O_WRONLY), errno.EACCES, errno.EROFS, errno.ETXTBSY, errno.ENOENT, errno.EPERM)
refused('init', lambda: os.open('/proc/1/exe', os.O_RDONLY), errno.EACCES, errno.EPERM, errno.ENOENT)
",
    ))
    .await;
}

#[tokio::test]
async fn files_of_every_kind_in_its_home_harm_nobody_who_clears_up() {
    // Removing the instance's folder is part of every case: it must neither follow nor hang.
    held(&attack(
        r"
os.chdir('/tmp')
os.mkfifo('fifo')
os.symlink('/', 'root'); os.symlink('loop', 'loop'); os.symlink('/etc/passwd', 'passwd')
deep = 'd'
for _ in range(300): os.mkdir('d' * 100); os.chdir('d' * 100)
os.chdir('/tmp')
os.mkdir('shut'); write('shut/in', 'x'); os.chmod('shut', 0)
write('locked', 'x'); os.chmod('locked', 0)
bound = socket.socket(socket.AF_UNIX); bound.bind('socket')
write('new\nline \x1b[31m', 'x')
open(b'\xff\xfe', 'w').close()
",
    ))
    .await;
}
