//! Processes, threads, descriptors, signals, priorities and users.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use pastina::model::Exit;

use super::support::{
    Neighbour, alive, attack, ended, held, is_root, parent, running, says, shell,
};

#[tokio::test]
async fn a_fork_bomb_fills_its_own_sandbox_alone() {
    let neighbour = Neighbour::start().await;
    let case = attack(
        r"
children = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
        children += 1
    except OSError as error:
        if error.errno != errno.EAGAIN: broke(error)
        break
    if children > 200: broke('more processes than allowed'); break
",
    );
    held(&case).await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn a_bomb_that_never_stops_forking_ends_when_it_is_told_to() {
    let neighbour = Neighbour::start().await;
    // Not a shell's, which ends where it cannot fork.
    let mut case = shell(
        "exec python3 -c '
import os, signal
for ignored in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
    signal.signal(ignored, signal.SIG_IGN)
print(\"armed\", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
'",
    );
    case.spec.limits.pids = Some(40);
    let sandbox = case.spawn().await;
    says(&sandbox, "armed").await;
    sandbox.stop(Duration::ZERO);
    let exit = ended(&sandbox).await;
    assert!(matches!(exit, Exit::Stopped { .. }), "{exit:?}");
    case.left_nothing().await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn threads_are_counted_as_processes_are() {
    held(&attack(
        r"
threading.stack_size(64 << 10)
wait = threading.Event()
started = 0
try:
    for _ in range(500):
        threading.Thread(target=wait.wait, daemon=True).start()
        started += 1
except RuntimeError:
    pass
if started > 64: broke(f'{started} threads')
wait.set()
",
    ))
    .await;
}

#[tokio::test]
async fn descriptors_run_out_for_one_process_alone() {
    let neighbour = Neighbour::start().await;
    let mut case = attack(
        r"
kept = []
try:
    while True: kept.append(os.dup(1))
except OSError as error:
    if error.errno != errno.EMFILE: broke(error)
if len(kept) > 128: broke(len(kept))
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
    broke('a higher limit')
except ValueError:
    pass
",
    );
    case.spec.limits.files = Some(128);
    held(&case).await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn a_signal_to_everybody_reaches_its_own_sandbox_alone() {
    let neighbour = Neighbour::start().await;
    held(&attack(
        r"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for one in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
    # Everybody but ourselves: there is init, whom it must not reach.
    try: os.kill(-1, one)
    except (ProcessLookupError, PermissionError): pass
",
    ))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn no_signal_reaches_a_number_of_the_hosts() {
    let neighbour = Neighbour::start().await;
    held(&attack(&format!(
        r"
for pid in [{}, {}, {}, 2, 3, 4, *range(100, 40000)]:
    try: os.kill(pid, 0)
    except ProcessLookupError: continue
    except PermissionError: broke(f'{{pid}} is there')
    else:
        if pid != os.getpid(): broke(f'{{pid}} could be signalled')
",
        neighbour.pid(),
        parent(neighbour.pid()),
        std::process::id(),
    )))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn init_does_not_die_of_what_is_inside() {
    let case = attack(
        r"
for one in range(1, 65):
    try: os.kill(1, one)
    except (PermissionError, OSError): pass
for where in ('mem', 'environ', 'maps', 'syscall', 'stack', 'auxv', 'io', 'fdinfo', 'ns/mnt', 'task/1/mem'):
    refused(where, lambda: os.open(f'/proc/1/{where}', os.O_RDONLY) and read(f'/proc/1/{where}'), errno.EACCES, errno.EPERM, errno.ENOENT)
refused('its descriptors', lambda: os.listdir('/proc/1/fd'), errno.EACCES)
for link in ('root', 'cwd', 'exe', 'ns/user', 'fd/3'):
    refused(link, lambda: os.readlink(f'/proc/1/{link}'), errno.EACCES, errno.ENOENT, errno.EPERM)
refused('its score', lambda: write('/proc/1/oom_score_adj', '1000'), errno.EACCES, errno.EPERM)
",
    );
    held(&case).await;
}

#[tokio::test]
async fn a_daemon_that_hides_from_its_parent_ends_with_the_command() {
    let case = shell(
        "(setsid sh -c 'trap \"\" TERM HUP; (setsid sleep 2000 &) ; sleep 2000' &) ; sleep 0.1; echo gone",
    );
    let (exit, output) = case.run().await;
    assert_eq!((exit, output.as_str()), (Exit::Code { code: 0 }, "gone\n"));
}

#[tokio::test]
async fn what_ignores_every_signal_is_killed_after_its_grace() {
    let case = attack(
        r"
for one in range(1, 65):
    try: signal.signal(one, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0: os.setsid()
print('deaf', flush=True)
time.sleep(1000)
",
    );
    let sandbox = case.spawn().await;
    says(&sandbox, "deaf").await;
    let pid = running(&sandbox).await;
    sandbox.stop(Duration::from_millis(200));
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
    assert!(!alive(pid));
    case.left_nothing().await;
}

#[tokio::test]
async fn nobody_becomes_another_user() {
    held(&attack(
        r"
for name in ('setuid', 'setgid', 'seteuid', 'setegid'):
    for who in (0, 1, 65534, 65535):
        refused(f'{name} {who}', lambda: getattr(os, name)(who), errno.EPERM, errno.EINVAL)
refused('setresuid', lambda: os.setresuid(0, 0, 0), errno.EPERM, errno.EINVAL)
refused('setgroups', lambda: os.setgroups([0, 5, 6]), errno.EPERM)
refused('own id map', lambda: write('/proc/self/uid_map', '0 0 1'), errno.EPERM, errno.EACCES)
refused('own group map', lambda: write('/proc/self/gid_map', '0 0 1'), errno.EPERM, errno.EACCES)
# capset: version 3, ourselves; every capability.
class Head(ctypes.Structure): _fields_ = [('version', ctypes.c_uint32), ('pid', ctypes.c_int)]
head = Head(0x20080522, 0)
every = (ctypes.c_uint32 * 6)(*([0xffffffff] * 6))
if libc.capset(ctypes.byref(head), every) != -1: broke('capset')
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_SET_SECUREBITS = 47, 2, 28
if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0) != -1: broke('an ambient capability')
if libc.prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) != -1: broke('securebits')
",
    ))
    .await;
}

#[tokio::test]
async fn programs_with_the_setuid_bit_give_nothing() {
    let output = held(&attack(
        r"
import glob, shutil
found = []
for folder in ('/usr/bin', '/usr/sbin', '/usr/lib', '/bin', '/sbin'):
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            try: mode = os.lstat(path).st_mode
            except OSError: continue
            if mode & 0o6000 and mode & 0o100000: found.append(path)
print('set-uid programs:', len(found))
shutil.copy('/usr/bin/id', '/tmp/id')
os.chmod('/tmp/id', 0o6755)
for program in ['/tmp/id']:
    told = subprocess.run([program, '-u'], capture_output=True, text=True).stdout.strip()
    if told != '2000': broke(f'{program}: {told}')
for program in (found + ['none'])[:20]:
    if os.path.basename(program) in ('su', 'sudo', 'mount', 'passwd', 'newgrp', 'chsh', 'chfn', 'gpasswd', 'pkexec'):
        child = subprocess.Popen([program, '--help'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try: ids = [line for line in read(f'/proc/{child.pid}/status').decode().splitlines() if line.startswith('Uid:')][0].split()[1:]
        except (OSError, IndexError): ids = []
        child.wait()
        if '0' in ids: broke(f'{program}: {ids}')
",
    ))
    .await;
    assert!(output.contains("set-uid programs: "), "{output}");
}

#[tokio::test]
async fn no_priority_above_the_others() {
    held(&attack(
        r"
refused('nice', lambda: os.nice(-1), errno.EPERM, errno.EACCES)
refused('setpriority', lambda: os.setpriority(os.PRIO_PROCESS, 0, -20), errno.EPERM, errno.EACCES)
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    refused(f'policy {policy}', lambda: os.sched_setscheduler(0, policy, os.sched_param(1)), errno.EPERM)
# sched_setattr with SCHED_DEADLINE: 10 ms of every 20.
attribute = struct.pack('IIQiIQQQ', 48, 6, 0, 0, 0, 10 << 20, 20 << 20, 20 << 20)
if libc.syscall(314, 0, attribute, 0) != -1: broke('a deadline')
refused('spared by the oom killer', lambda: write('/proc/self/oom_score_adj', '-1000'), errno.EACCES, errno.EPERM)
",
    ))
    .await;
}

#[tokio::test]
async fn a_crash_starts_no_handler_of_the_host() {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    // What was taken from the platform's user it cannot have back; then a sandbox says so.
    let limit = if is_root() || hard >= 1 { 1 } else { 0 };
    held(&attack(&format!(
        r"
limit = ({limit}, {limit})
if resource.getrlimit(resource.RLIMIT_CORE) != limit: broke(resource.getrlimit(resource.RLIMIT_CORE))
# 1 is the one value for which the kernel starts no handler; 0 is not it, and lowering must not help.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if resource.getrlimit(resource.RLIMIT_CORE) != limit: broke('the limit could be lowered')
pid = os.fork()
if pid == 0: os.chdir('/tmp'); os.kill(os.getpid(), signal.SIGSEGV)
_, status = os.waitpid(pid, 0)
if os.WCOREDUMP(status): broke('a core was dumped')
if os.listdir('/tmp') != []: broke(os.listdir('/tmp'))
refused('another handler', lambda: write('/proc/sys/kernel/core_pattern', '|/tmp/x'), errno.EROFS, errno.EACCES, errno.EPERM)
"
    )))
    .await;
}

#[tokio::test]
async fn waiting_signals_and_timers_run_out_for_the_sandbox_alone() {
    let neighbour = Neighbour::start().await;
    held(&attack(
        r"
signal.pthread_sigmask(signal.SIG_BLOCK, range(34, 65))
sent = 0
value = ctypes.c_void_p(0)
while libc.sigqueue(os.getpid(), 40, value) == 0:
    sent += 1
    if sent > 5000: broke('more signals than allowed'); break
made = 0
timer = ctypes.c_void_p()
while libc.timer_create(0, None, ctypes.byref(timer)) == 0:
    made += 1
    if made > 5000: broke('more timers than allowed'); break
",
    ))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn watches_on_files_are_counted_for_the_sandbox() {
    held(&attack(
        r"
made = []
while True:
    one = libc.inotify_init()
    if one < 0: break
    made.append(one)
    if len(made) > 1000: broke('more watches than allowed'); break
print('watches', len(made))
",
    ))
    .await;
    // Another one has as many of its own, as root: none was taken from root's.
    let watch = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::empty());
    assert!(watch.is_ok(), "{watch:?}");
}

#[tokio::test]
async fn terminals_run_out_for_the_sandbox_alone() {
    let neighbour = Neighbour::start().await;
    held(&attack(
        r"
made = []
try:
    while True:
        made.append(os.posix_openpt(os.O_RDWR) if hasattr(os, 'posix_openpt') else os.open('/dev/ptmx', os.O_RDWR))
        if len(made) > 200: broke('more terminals than allowed'); break
except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EMFILE): broke(error)
# A terminal of its own: nothing can be typed into it from outside the owner's hands.
refused('typing', lambda: __import__('fcntl').ioctl(made[0], 0x5412, b'x'), errno.EPERM)
refused('another discipline', lambda: __import__('fcntl').ioctl(made[0], 0x5423, struct.pack('i', 15)), errno.EPERM)
",
    ))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn the_command_has_no_terminal_and_a_session_of_its_own() {
    let case = attack(
        r"
refused('a controlling terminal', lambda: os.open('/dev/tty', os.O_RDWR), errno.ENXIO)
if os.getsid(0) != os.getpid(): broke('a session of others')
",
    );
    held(&case).await;
}
