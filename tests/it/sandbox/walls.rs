//! What a command cannot see, do or reach.

use std::collections::HashMap;

use pastina::model::Exit;

use super::support::shell;

#[tokio::test]
async fn the_command_has_no_privileges() {
    let case = shell(
        "id -u; id -g; cat /proc/self/status; hostname; cat /proc/self/cgroup | cut -d: -f3 | sort -u; \
         ulimit -c; ulimit -n; ls /proc | grep -c '^[0-9]'; ls -l /proc/self/fd | wc -l; env | sort",
    );
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["2000", "2000"]);
    let fields: HashMap<&str, &str> = lines
        .iter()
        .filter_map(|line| line.split_once(":\t"))
        .collect();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(fields[set], "0000000000000000", "{set}");
    }
    assert_eq!(fields["NoNewPrivs"], "1");
    assert_eq!(fields["Seccomp"], "2");
    assert_eq!(fields["Seccomp_filters"], "6");
    assert_eq!(fields["SigBlk"], "0000000000000000");
    assert_eq!(fields["SigIgn"], "0000000000000000");
    let rest = lines
        .iter()
        .position(|line| *line == "box")
        .expect("the host name");
    assert_eq!(lines[rest + 1], "/", "{lines:?}");
    assert_eq!(lines[rest + 2], "0");
    assert!(lines[rest + 3].parse::<u64>().unwrap() <= 16_384);
    // Init, the shell and its pipe; the streams and the folder that is listed.
    assert!(lines[rest + 4].parse::<u32>().unwrap() <= 4, "{lines:?}");
    assert!(lines[rest + 5].parse::<u32>().unwrap() <= 5, "{lines:?}");
    let set = lines
        .iter()
        .filter(|line| line.contains('='))
        .filter(|line| !line.contains("PWD="))
        .count();
    assert!(set <= 3, "{lines:?}");
}

#[tokio::test]
async fn calls_that_reach_the_host_are_refused() {
    let mut case = shell("");
    case.spec.argv = ["python3", "-c", REFUSED].map(str::to_owned).into();
    let (exit, output) = case.run().await;
    assert_eq!(output, "all were called\n");
    assert_eq!(exit, Exit::Code { code: 0 });
}

/// Prints every call that is not refused as it should be.
const REFUSED: &str = r"
import ctypes, errno, platform, socket, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def check(name, wanted, call):
    ctypes.set_errno(0)
    result = call()
    if result != -1 or ctypes.get_errno() not in wanted:
        print(name, result, errno.errorcode.get(ctypes.get_errno()))
EPERM, ENOSYS = (errno.EPERM,), (errno.ENOSYS,)
check('mount', EPERM, lambda: libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))
check('umount', EPERM, lambda: libc.umount2(b'/proc', 2))
check('unshare', EPERM, lambda: libc.unshare(0x10000000))
check('setns', EPERM, lambda: libc.setns(0, 0))
check('ptrace', EPERM, lambda: libc.ptrace(0, 0, 0, 0))
check('chroot', EPERM, lambda: libc.chroot(b'/tmp'))
check('sethostname', EPERM, lambda: libc.sethostname(b'x', 1))
if platform.machine() == 'x86_64':
    call = libc.syscall
    check('clone newuser', EPERM, lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0))
    check('clone newns', EPERM, lambda: call(56, 0x00020000 | 17, 0, 0, 0, 0))
    check('clone3', ENOSYS, lambda: call(435, 0, 0))
    check('bpf', EPERM, lambda: call(321, 0, 0, 0))
    check('keyctl', EPERM, lambda: call(250, 0, 0, 0, 0, 0))
    check('add_key', EPERM, lambda: call(248, 0, 0, 0, 0, 0))
    check('perf_event_open', EPERM, lambda: call(298, 0, 0, 0, 0, 0))
    check('userfaultfd', EPERM, lambda: call(323, 0))
    check('io_uring_setup', EPERM, lambda: call(425, 1, 0))
    check('open_by_handle_at', EPERM, lambda: call(304, 0, 0, 0))
    check('kexec_load', EPERM, lambda: call(246, 0, 0, 0, 0))
    check('init_module', EPERM, lambda: call(175, 0, 0, 0))
    check('unknown', ENOSYS, lambda: call(9999))
    check('x32', ENOSYS, lambda: call(0x40000000 + 39))
check('ioctl TIOCSTI', EPERM, lambda: libc.ioctl(0, 0x5412, b'x'))
check('packet socket', (errno.EAFNOSUPPORT,), lambda: libc.socket(17, 3, 0))
check('alg socket', (errno.EAFNOSUPPORT,), lambda: libc.socket(38, 5, 0))
print('all were called')
";

#[tokio::test]
async fn the_host_is_out_of_sight_and_cannot_be_written() {
    let mut case = shell(
        "cd /; ls -a / | tr '\\n' ' '; echo; ls /sys /root /run | wc -l; cat /proc/kcore | wc -c; \
         for f in /usr/x /etc/x /x /dev/x /proc/sys/kernel/hostname /etc/passwd /sys/x /etc/ssl/x /home/x; do \
           (echo x > $f) 2>/dev/null && echo written $f; done; \
         for d in null zero full random urandom tty shm pts; do [ -e /dev/$d ] || echo missing $d; done; \
         echo x > /dev/null && echo x > /dev/shm/x && echo x > /tmp/x && echo x > /home/vcap/tmp/x && echo writable; \
         echo via > /dev/stdout; cat /etc/hosts; getent passwd vcap; ls -ld /tmp | cut -c1-10; \
         grep -c . /proc/self/mountinfo",
    );
    case.spec.env.push(("LC_ALL".to_owned(), "C".to_owned()));
    let secret = case.folder("secret", &[("file", "")]);
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    let mut lines = output.lines();
    let root: Vec<&str> = lines
        .next()
        .unwrap()
        .split_whitespace()
        .filter(|name| !name.starts_with("lib"))
        .collect();
    let expected = [
        ".", "..", "bin", "dev", "etc", "home", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
        "var",
    ];
    assert_eq!(root, expected);
    assert!(
        !output.contains("written") && !output.contains("missing"),
        "{output}"
    );
    for text in [
        "\n0\n",
        "writable",
        "via",
        "127.0.0.1 localhost box",
        "vcap:x:2000:2000",
        "drwxrwxrwt",
    ] {
        assert!(output.contains(text), "{text}: {output}");
    }
    assert!(secret.exists());
}
