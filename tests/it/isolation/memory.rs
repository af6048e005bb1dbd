//! Memory by every way that there is to it: it is counted for the sandbox, which ends at its
//! limit with all that is in it.

use pastina::model::Exit;

use super::support::{Case, Neighbour, attack, held, limits_enforced, shell};

/// Runs a hog with this much memory beside a neighbour; where limits are enforced, it has to
/// end by its own.
async fn ends_out_of_memory(case: Case, megabytes: u64) {
    ends_as(case, megabytes, &[Exit::OutOfMemory]).await;
}

/// The same for one that the kernel may also keep from having more.
async fn gets_no_more(case: Case, megabytes: u64) {
    ends_as(
        case,
        megabytes,
        &[Exit::OutOfMemory, Exit::Code { code: 0 }],
    )
    .await;
}

async fn ends_as(mut case: Case, megabytes: u64, ends: &[Exit]) {
    if !limits_enforced().await {
        return;
    }
    let neighbour = Neighbour::start().await;
    case.spec.limits.memory = Some(megabytes << 20);
    let (exit, output) = case.run().await;
    assert!(!output.contains("BROKE"), "{output}");
    assert!(ends.contains(&exit), "{exit:?}: {output}");
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn by_the_heap() {
    let case = attack("kept = [bytearray(8 << 20) for _ in range(100)]\nbroke(len(kept))");
    ends_out_of_memory(case, 64).await;
}

#[tokio::test]
async fn by_many_processes_of_which_none_has_much() {
    // The shell that waits for them has done nothing, and ends with them.
    let case = shell(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do python3 -c 'import time; x = bytearray(16 << 20); time.sleep(1000)' & done; wait",
    );
    ends_out_of_memory(case, 96).await;
}

#[tokio::test]
async fn by_shared_memory_files() {
    let case = attack(
        "one = open('/dev/shm/x', 'wb')\nfor _ in range(60): one.write(b'x' * (1 << 20)); one.flush()\nbroke('not counted')",
    );
    ends_out_of_memory(case, 32).await;
}

#[tokio::test]
async fn by_shared_memory_files_within_its_limit_it_has_an_end() {
    held(&attack(
        r"
written = 0
try:
    with open('/dev/shm/x', 'wb', buffering=0) as one:
        while written < 1 << 30: written += one.write(b'x' * (1 << 20))
except OSError as error:
    if error.errno != errno.ENOSPC: broke(error)
if written > 64 << 20: broke(written)
made = 0
try:
    while made < 200000: os.close(os.open(f'/dev/shm/{made}', os.O_CREAT | os.O_WRONLY)); made += 1
except OSError as error:
    if error.errno != errno.ENOSPC: broke(error)
else: broke('files without an end')
",
    ))
    .await;
}

#[tokio::test]
async fn by_files_that_have_no_name() {
    let case = attack(
        "one = os.memfd_create('x')\nfor _ in range(100): os.write(one, b'x' * (1 << 20))\nbroke('not counted')",
    );
    ends_out_of_memory(case, 32).await;
}

#[tokio::test]
async fn by_memory_of_system_v() {
    let case = attack(
        r"
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
for _ in range(20):
    one = libc.shmget(0, 8 << 20, 0o1600)
    at = libc.shmat(one, None, 0)
    ctypes.memset(at, 1, 8 << 20)
    libc.shmdt(ctypes.c_void_p(at))
broke('not counted')
",
    );
    ends_out_of_memory(case, 48).await;
}

#[tokio::test]
async fn by_what_waits_in_local_sockets() {
    let case = attack(
        r"
kept = []
while len(kept) < 4000:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        try:
            while True: end.send(b'x' * 65536)
        except BlockingIOError: pass
    kept.append(ends)
broke(f'{len(kept)} pairs')
",
    );
    ends_out_of_memory(case, 48).await;
}

#[tokio::test]
async fn by_what_waits_in_connections() {
    let case = attack(
        r"
listener = socket.create_server(('127.0.0.1', 9999))
kept, waiting = [], 0
try:
    while waiting < 256 << 20 and len(kept) < 1000:
        out = socket.create_connection(('127.0.0.1', 9999), 5)
        kept += [out, listener.accept()[0]]
        out.setblocking(False)
        sent = 0
        try:
            while sent < 8 << 20: sent += out.send(b'x' * 65536)
        except BlockingIOError: pass
        waiting += sent
except OSError: pass
if waiting > 128 << 20: broke(f'{waiting >> 20} MiB wait')
",
    );
    gets_no_more(case, 64).await;
}

#[tokio::test]
async fn by_pipes() {
    let case = attack(
        r"
import fcntl
kept, waiting = [], 0
for _ in range(2000):
    reader, writer = os.pipe()
    try: fcntl.fcntl(writer, 1031, 1 << 20)
    except OSError: pass
    os.set_blocking(writer, False)
    try:
        while True: waiting += os.write(writer, b'x' * 65536)
    except BlockingIOError: pass
    kept.append((reader, writer))
if waiting > 64 << 20: broke(f'{waiting >> 20} MiB wait')
",
    );
    gets_no_more(case, 64).await;
}

#[tokio::test]
async fn what_is_read_and_written_gives_way() {
    // Pages of files are counted, and taken back instead of killing anybody.
    let mut case = attack(
        r"
with open('/tmp/big', 'wb') as one:
    for _ in range(96): one.write(b'x' * (1 << 20))
for _ in range(2):
    with open('/tmp/big', 'rb') as one:
        while one.read(1 << 20): pass
",
    );
    case.spec.limits.memory = Some(48 << 20);
    held(&case).await;
}

#[tokio::test]
async fn memory_that_cannot_be_swapped_has_a_limit() {
    held(&attack(
        r"
import mmap
one = mmap.mmap(-1, 64 << 20)
at = ctypes.addressof(ctypes.c_char.from_buffer(one))
if libc.mlock(ctypes.c_void_p(at), 64 << 20) == 0: broke('64 MiB locked')
if libc.mlockall(3) == 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] > 64 << 20: broke('everything locked')
",
    ))
    .await;
}

#[tokio::test]
async fn queues_of_messages_have_a_limit() {
    held(&attack(
        r"
attribute = (ctypes.c_long * 8)(0, 10, 8192, 0)
made = 0
while made < 1000:
    one = libc.mq_open(f'/queue{made}'.encode(), os.O_CREAT | os.O_RDWR, 0o600, attribute)
    if one < 0: break
    made += 1
if made > 64: broke(f'{made} queues')
",
    ))
    .await;
}
