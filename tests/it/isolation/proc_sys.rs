//! What `/proc`, `/sys` and `/sys/fs/cgroup` tell and let change.

use super::support::{Neighbour, attack, held, limits_enforced};

#[tokio::test]
async fn nothing_of_the_hosts_tunables_can_be_written() {
    held(&attack(
        r"
opened = 0
for root, _, files in os.walk('/proc/sys'):
    for name in files:
        try: os.close(os.open(os.path.join(root, name), os.O_WRONLY))
        except OSError: continue
        broke(os.path.join(root, name))
for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/vm/overcommit_memory',
             '/proc/sys/kernel/hostname', '/proc/irq/default_smp_affinity', '/proc/bus/pci', '/proc/fs/nfsd', '/proc/acpi/wakeup'):
    refused(path, lambda: write(path, '1'), errno.EROFS, errno.EACCES, errno.ENOENT, errno.EISDIR, errno.EPERM)
",
    ))
    .await;
}

#[tokio::test]
async fn nothing_in_proc_can_be_written_but_ones_own() {
    held(&attack(
        r"
for name in os.listdir('/proc'):
    if name.isdigit() or name in ('self', 'thread-self'): continue
    for root, _, files in os.walk(f'/proc/{name}') if os.path.isdir(f'/proc/{name}') else [('/proc', [], [name])]:
        for file in files:
            path = os.path.join(root, file)
            try:
                one = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError: continue
            if os.fstat(one).st_rdev != os.stat('/dev/null').st_rdev: broke(path)
            os.close(one)
",
    ))
    .await;
}

#[tokio::test]
async fn addresses_and_hardware_of_the_host_are_covered() {
    held(&attack(
        r"
for name in ('acpi', 'buddyinfo', 'cmdline', 'config.gz', 'consoles', 'diskstats', 'interrupts', 'iomem', 'ioports', 'kallsyms', 'kcore',
             'key-users', 'keys', 'kmsg', 'kpagecount', 'latency_stats', 'locks', 'modules', 'mtrr', 'pagetypeinfo', 'partitions', 'pressure/cpu',
             'sched_debug', 'schedstat', 'slabinfo', 'softirqs', 'swaps', 'sysrq-trigger', 'timer_list', 'vmallocinfo', 'zoneinfo'):
    try:
        found = os.listdir(f'/proc/{name}') if os.path.isdir(f'/proc/{name}') else read(f'/proc/{name}')
    except OSError: continue
    if found: broke(f'{name}: {found[:40]!r}')
",
    ))
    .await;
}

#[tokio::test]
async fn only_its_own_processes_are_seen() {
    let neighbour = Neighbour::start().await;
    held(&attack(
        r"
numbers = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
if numbers != [1, os.getpid()]: broke(numbers)
for number in numbers:
    if b'pastina' in read(f'/proc/{number}/cmdline') and number != os.getpid() and number != 1: broke(number)
if b'/' in read('/proc/1/cmdline') and b'instance' in read('/proc/1/cmdline'): print('init tells its folder')
if os.getppid() != 1: broke(os.getppid())
",
    ))
    .await;
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn mounts_tell_nothing_of_other_instances() {
    let neighbour = Neighbour::start().await;
    let name = neighbour.case().spec.dir.parent().unwrap().to_owned();
    let output = held(&attack(
        "for path in ('mountinfo', 'mounts', 'mountstats'): print(read(f'/proc/self/{path}').decode())",
    ))
    .await;
    assert!(!output.contains(name.to_str().unwrap()), "{output}");
    // Of its own, the kernel names the folder that is bound, below its file system's root.
    for line in output.lines().filter(|line| line.contains("lowerdir=")) {
        assert!(line.contains("lowerdir=/.lower,"), "{line}");
    }
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn its_control_group_is_the_root_of_all_groups_and_cannot_be_changed() {
    held(&attack(
        r"
for line in read('/proc/self/cgroup').decode().splitlines():
    # Controllers that set no limit have no group of ours.
    number, names, path = line.split(':', 2)
    if {'memory', 'cpu', 'pids'} & set(names.split(',')) or names == '':
        if path != '/' and ('pastina' in path or '..' in path): broke(line)
for root, folders, files in os.walk('/sys/fs/cgroup'):
    refused(f'a group in {root}', lambda: os.mkdir(os.path.join(root, 'x')), errno.EROFS, errno.EACCES, errno.EPERM)
    for name in files:
        path = os.path.join(root, name)
        refused(path, lambda: os.open(path, os.O_WRONLY), errno.EROFS, errno.EACCES, errno.EPERM)
        if name in ('release_agent', 'devices.allow'): broke(path)
",
    ))
    .await;
}

/// What runtimes read their limits from is there, and is right.
#[tokio::test]
async fn its_own_limits_can_be_read() {
    if !limits_enforced().await {
        return;
    }
    let output = held(&attack(
        r"
for path in ('memory.max', 'memory/memory.limit_in_bytes'):
    try: print('limit', read(f'/sys/fs/cgroup/{path}').decode().strip())
    except FileNotFoundError: pass
",
    ))
    .await;
    assert!(output.contains(&format!("limit {}", 256 << 20)), "{output}");
}

#[tokio::test]
async fn no_further_namespace_even_where_the_filter_were_passed() {
    held(&attack(
        r"
for kind in ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'):
    most = int(read(f'/proc/sys/user/max_{kind}_namespaces'))
    if most != 0: broke(f'{kind}: {most}')
",
    ))
    .await;
}
