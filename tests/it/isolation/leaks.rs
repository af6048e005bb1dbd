//! What comes with the first process although nobody gave it: descriptors, environment, keys,
//! names.

use super::support::{attack, held};

#[tokio::test]
async fn only_the_standard_streams_are_inherited() {
    held(&attack(
        r"
open_ones = {}
for name in os.listdir('/proc/self/fd'):
    try: open_ones[int(name)] = os.readlink(f'/proc/self/fd/{name}')
    except FileNotFoundError: pass
if set(open_ones) - {0, 1, 2}: broke(open_ones)
if open_ones[0] != '/dev/null': broke(open_ones[0])
# An end of a pipe that can be opened again only as what it is, a place to write.
refused('reading what others logged', lambda: os.read(os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK), 10), errno.EAGAIN, errno.EACCES)
",
    ))
    .await;
}

#[tokio::test]
async fn the_environment_is_what_it_was_given() {
    // In the tests' own environment, as it would be in the daemon's.
    assert!(std::env::var_os("PATH").is_some());
    let output = held(&attack("print(sorted(os.environ))")).await;
    let names: Vec<&str> = output
        .lines()
        .next()
        .unwrap()
        .trim_matches(['[', ']'])
        .split(", ")
        .collect();
    for name in names {
        assert!(
            ["'PATH'", "'LC_CTYPE'"].contains(&name),
            "{name} in {output}"
        );
    }
}

#[tokio::test]
async fn users_names_and_settings_of_the_host_are_not_there() {
    held(&attack(
        r"
users = [line.split(':')[0] for line in read('/etc/passwd').decode().splitlines()]
if users != ['root', 'vcap', 'nobody']: broke(users)
for name in ('shadow', 'gshadow', 'sudoers', 'ssh', 'fstab', 'machine-id', 'crontab', 'hostid', 'krb5.keytab', 'pastina', 'systemd', 'netplan'):
    if os.path.exists(f'/etc/{name}'): broke(name)
for path in ('/var/log', '/var/lib', '/boot', '/srv', '/mnt', '/media', '/opt', '/run/systemd', '/run/docker.sock', '/run/dbus'):
    if os.path.exists(path): broke(path)
if socket.gethostname() != 'box': broke(socket.gethostname())
if os.listdir('/root') or os.listdir('/run'): broke('files of root')
",
    ))
    .await;
}

#[tokio::test]
async fn memory_of_the_platform_does_not_come_with_the_command() {
    held(&attack(
        r"
maps = read('/proc/self/maps').decode()
if 'pastina' in maps or 'spec.json' in maps: broke(maps)
if b'pastina' in read('/proc/self/environ'): broke('environ')
",
    ))
    .await;
}
