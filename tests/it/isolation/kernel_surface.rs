//! System calls, kinds of sockets and requests that are not for sandboxes.

use nix::libc::{self, ENOSYS};

use super::support::{attack, held, refused_call, shell};

/// One attack a line: a call, its arguments, and how it must be refused.
macro_rules! calls {
    ($($name:ident: $call:ident($($argument:expr),*) => $errno:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            use nix::libc::*;
            refused_call($call, &[$(i64::from($argument)),*], $errno).await;
        }
    )*};
}

const FORK: i32 = libc::SIGCHLD;

calls! {
    // Namespaces, mounts, roots.
    no_new_user_namespace: SYS_unshare(libc::CLONE_NEWUSER) => EPERM;
    no_new_mount_namespace: SYS_unshare(libc::CLONE_NEWNS) => EPERM;
    no_child_in_a_user_namespace: SYS_clone(libc::CLONE_NEWUSER | FORK, 0, 0, 0, 0) => EPERM;
    no_child_in_a_network_namespace: SYS_clone(libc::CLONE_NEWNET | FORK, 0, 0, 0, 0) => EPERM;
    no_child_in_a_cgroup_namespace: SYS_clone(libc::CLONE_NEWCGROUP | FORK, 0, 0, 0, 0) => EPERM;
    no_flags_of_clone_hidden_in_memory: SYS_clone3(0, 0) => ENOSYS;
    no_namespace_of_another: SYS_setns(0, 0) => EPERM;
    no_mount: SYS_mount(0, 0, 0, 0, 0) => EPERM;
    no_unmount: SYS_umount2(0, 2) => EPERM;
    no_file_system_by_descriptor: SYS_fsopen(0, 0) => EPERM;
    no_detached_mount: SYS_open_tree(0, 0, 1) => EPERM;
    no_moved_mount: SYS_move_mount(0, 0, 0, 0, 0) => EPERM;
    no_mount_made_writable: SYS_mount_setattr(0, 0, 0, 0, 0) => EPERM;
    no_list_of_mounts: SYS_LISTMOUNT(0, 0, 0, 0) => ENOSYS;
    no_other_root_by_pivot: SYS_pivot_root(0, 0) => EPERM;
    no_other_root_by_chroot: SYS_chroot(0) => EPERM;
    // Programs in the kernel, and what watches it.
    no_bpf: SYS_bpf(0, 0, 0) => EPERM;
    no_performance_counters: SYS_perf_event_open(0, 0, 0, 0, 0) => EPERM;
    no_page_faults_served_by_the_app: SYS_userfaultfd(0) => EPERM;
    no_ring_of_calls: SYS_io_uring_setup(1, 0) => EPERM;
    no_ring_entered: SYS_io_uring_enter(0, 1, 0, 0, 0, 0) => EPERM;
    no_watch_over_a_file_system: SYS_fanotify_init(0, 0) => EPERM;
    no_kernel_log: SYS_syslog(3, 0, 0) => EPERM;
    no_filters_that_nobody_pays_for: SYS_seccomp(1, 0, 0) => EPERM;
    no_filters_by_prctl: SYS_prctl(22, 2, 0, 0, 0) => EPERM;
    no_pages_given_away: SYS_vmsplice(1, 0, 0, 0) => ENOSYS;
    no_asynchronous_requests_of_the_hosts: SYS_io_setup(65_536, 0) => ENOSYS;
    // Keys.
    no_keyring: SYS_keyctl(0, 0, 0, 0, 0) => EPERM;
    no_key_added: SYS_add_key(0, 0, 0, 0, 0) => EPERM;
    no_key_asked_for: SYS_request_key(0, 0, 0, 0) => EPERM;
    // Other kernels, modules, devices.
    no_other_kernel: SYS_kexec_load(0, 0, 0, 0) => EPERM;
    no_other_kernel_from_a_file: SYS_kexec_file_load(0, 0, 0, 0, 0) => EPERM;
    no_module: SYS_init_module(0, 0, 0) => EPERM;
    no_module_from_a_file: SYS_finit_module(0, 0, 0) => EPERM;
    no_module_removed: SYS_delete_module(0, 0) => EPERM;
    no_reboot: SYS_reboot(0, 0, 0, 0) => EPERM;
    no_swap: SYS_swapon(0, 0) => EPERM;
    no_accounting: SYS_acct(0) => EPERM;
    no_quota: SYS_quotactl(0, 0, 0, 0) => EPERM;
    // Files by number, and other processes.
    no_file_by_handle: SYS_open_by_handle_at(0, 0, 0) => EPERM;
    no_handle_of_a_file: SYS_name_to_handle_at(0, 0, 0, 0, 0) => EPERM;
    no_tracing: SYS_ptrace(libc::PTRACE_TRACEME, 0, 0, 0) => EPERM;
    no_memory_read_of_another: SYS_process_vm_readv(1, 0, 0, 0, 0, 0) => EPERM;
    no_memory_written_of_another: SYS_process_vm_writev(1, 0, 0, 0, 0, 0) => EPERM;
    no_descriptor_taken_from_another: SYS_pidfd_getfd(0, 0, 0) => EPERM;
    no_comparison_of_kernel_addresses: SYS_kcmp(1, 1, 0, 0, 0) => EPERM;
    no_pages_moved_between_nodes: SYS_move_pages(0, 0, 0, 0, 0, 0) => EPERM;
    no_priority_for_the_disk: SYS_ioprio_set(1, 0, 1 << 13) => EPERM;
    // The host's clock and names.
    no_clock_set: SYS_clock_settime(0, 0) => EPERM;
    no_clock_adjusted: SYS_adjtimex(0) => EPERM;
    no_host_name: SYS_sethostname(0, 0) => EPERM;
    no_fixed_addresses: SYS_personality(0x0004_0000) => EPERM;
    a_call_that_nobody_knows_yet: SYS_UNKNOWN(0) => ENOSYS;
    // Sockets, by family and by protocol.
    no_packets: SYS_socket(libc::AF_PACKET, libc::SOCK_RAW, 0) => EAFNOSUPPORT;
    no_socket_to_the_hypervisor: SYS_socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0) => EAFNOSUPPORT;
    no_kernel_cryptography: SYS_socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0) => EAFNOSUPPORT;
    no_bluetooth: SYS_socket(libc::AF_BLUETOOTH, libc::SOCK_RAW, 0) => EAFNOSUPPORT;
    no_express_data_path: SYS_socket(libc::AF_XDP, libc::SOCK_RAW, 0) => EAFNOSUPPORT;
    no_field_bus: SYS_socket(libc::AF_CAN, libc::SOCK_RAW, 1) => EAFNOSUPPORT;
    no_reliable_datagrams: SYS_socket(libc::AF_RDS, libc::SOCK_SEQPACKET, 0) => EAFNOSUPPORT;
    no_cluster_sockets: SYS_socket(libc::AF_TIPC, libc::SOCK_STREAM, 0) => EAFNOSUPPORT;
    no_pair_of_another_family: SYS_socketpair(libc::AF_INET, libc::SOCK_STREAM, 0, 0) => EAFNOSUPPORT;
    no_raw_internet: SYS_socket(libc::AF_INET, libc::SOCK_RAW, 1) => EPROTONOSUPPORT;
    no_sctp: SYS_socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP) => EPROTONOSUPPORT;
    no_dccp: SYS_socket(libc::AF_INET, libc::SOCK_DCCP, 0) => EPROTONOSUPPORT;
    no_multipath_tcp: SYS_socket(libc::AF_INET6, libc::SOCK_STREAM, 262) => EPROTONOSUPPORT;
    no_tunnel_protocol: SYS_socket(libc::AF_INET, libc::SOCK_DGRAM, 115) => EPROTONOSUPPORT;
    no_packet_filter: SYS_socket(libc::AF_NETLINK, libc::SOCK_RAW, 12) => EPROTONOSUPPORT;
    no_transforms: SYS_socket(libc::AF_NETLINK, libc::SOCK_RAW, 6) => EPROTONOSUPPORT;
    no_audit: SYS_socket(libc::AF_NETLINK, libc::SOCK_RAW, 9) => EPROTONOSUPPORT;
    // Requests to terminals and files, whatever the descriptor.
    no_typing_into_a_terminal: SYS_ioctl(0, REQUEST_STI, 0) => EPERM;
    no_pasting_into_a_console: SYS_ioctl(0, REQUEST_LINUX, 0) => EPERM;
    no_line_discipline: SYS_ioctl(0, REQUEST_SETD, 0) => EPERM;
    no_console_taken: SYS_ioctl(0, REQUEST_CONS, 0) => EPERM;
    no_typing_by_a_number_with_more_bits: SYS_ioctl(0, REQUEST_STI | 1 << 32, 0) => EPERM;
    no_blocks_on_another_project: SYS_ioctl(0, 0x401c_5820_i64, 0) => EPERM;
    no_filter_on_a_socket: SYS_setsockopt(0, 1, 26, 0, 0) => EPERM;
    no_filter_for_a_group_of_sockets: SYS_setsockopt(0, 1, 51, 0, 0) => EPERM;
    no_protocol_above_tcp: SYS_setsockopt(0, 6, 31, 0, 0) => EPERM;
}

const REQUEST_STI: i64 = 0x5412;
const REQUEST_LINUX: i64 = 0x541c;
const REQUEST_CONS: i64 = 0x541d;
const REQUEST_SETD: i64 = 0x5423;

/// A number that no kernel has a call for.
const SYS_UNKNOWN: i64 = 9999;
/// Not yet in libc's list.
const SYS_LISTMOUNT: i64 = 458;

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn no_call_by_the_numbers_of_x32() {
    const X32: i64 = 0x4000_0000;
    refused_call(X32 + libc::SYS_getpid, &[], ENOSYS).await;
}

/// `int 0x80` is another table of calls: the process is killed before one is looked up.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn no_call_by_the_gate_of_32_bits() {
    let case = attack(
        r"
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))  # mov eax, getpid; int 0x80; ret
getpid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
print('calling', flush=True)
broke(getpid())
",
    );
    let (exit, output) = case.run().await;
    assert_eq!(output, "calling\n");
    assert_eq!(
        exit,
        pastina::model::Exit::Signal {
            signal: libc::SIGSYS
        }
    );
}

/// The calls that a Wasm host has no use for are gone for it, and a shell still becomes it.
#[tokio::test]
async fn a_wasm_host_starts_no_process() {
    use pastina::{model::Exit, sandbox::Kind};
    let mut case = shell("exec sh -c 'echo became; (sleep 1); echo forked'");
    case.spec.kind = Kind::Wasm;
    let (exit, output) = case.run().await;
    assert!(output.starts_with("became\n"), "{output}");
    assert!(!output.contains("forked"), "{output}");
    assert_ne!(exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_wasm_host_has_none_of_system_v() {
    use pastina::sandbox::Kind;
    let mut case = attack(&format!(
        "refused('shm', lambda: call({}, 0, 4096, 0o1600), errno.ENOSYS)\n\
         refused('inotify', lambda: call({}, 0), errno.ENOSYS)\n\
         refused('splice', lambda: call({}, 0, 0, 1, 0, 1, 0), errno.ENOSYS)",
        libc::SYS_shmget,
        libc::SYS_inotify_init1,
        libc::SYS_splice
    ));
    case.spec.kind = Kind::Wasm;
    held(&case).await;
}
