//! Attacks: programs that try for real, and say so when they get through.

use std::{fmt::Write as _, time::Duration};

use pastina::{model::Exit, sandbox::Sandbox};

pub(super) use crate::sandbox::support::{
    Case, alive, ended, is_root, output, parent, running, says, shell,
};

/// What every attack has at hand. `refused` is for what must fail, and with which errors;
/// whatever prints `BROKE` got through.
const PRELUDE: &str = r"
import ctypes, errno, os, resource, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def broke(what):
    print('BROKE', what, flush=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(one) for one in (number, *arguments)))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def refused(what, attempt, *wanted):
    try:
        result = attempt()
    except OSError as error:
        if wanted and error.errno not in wanted:
            broke(f'{what}: refused with {errno.errorcode.get(error.errno)}')
    else:
        broke(f'{what}: {result!r}')

def read(path):
    with open(path, 'rb') as file:
        return file.read()

def write(path, text):
    with open(path, 'w') as file:
        file.write(text)
";

/// The last line of an attack that ran to its end.
const TRIED: &str = "tried";

/// A sandbox in which `program`, in Python, attacks.
pub(super) fn attack(program: &str) -> Case {
    let mut case = shell("");
    let text = format!("{PRELUDE}\n{program}\nprint('{TRIED}', flush=True)\n");
    case.spec.argv = ["python3", "-c", &text].map(str::to_owned).into();
    case.spec.limits.memory = Some(256 << 20);
    case.spec.limits.pids = Some(64);
    case
}

/// Runs an attack to its end, which it must reach without having got through.
pub(super) async fn held(case: &Case) -> String {
    let (exit, output) = case.run().await;
    assert!(!output.contains("BROKE"), "{output}");
    assert!(
        output.ends_with(&format!("{TRIED}\n")),
        "{exit:?}: {output}"
    );
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    output
}

/// Tries one system call, which must be refused with this error.
pub(super) async fn refused_call(number: i64, arguments: &[i64], errno: i32) {
    let mut list = String::new();
    for argument in arguments {
        let _ = write!(list, ", {argument}");
    }
    held(&attack(&format!(
        "refused('call {number}', lambda: call({number}{list}), {errno})"
    )))
    .await;
}

/// Whether the host lets this user set limits. Where it does not, a sandbox says so.
pub(super) async fn limits_enforced() -> bool {
    let case = shell("sleep 1000");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let enforced = sandbox.usage().is_ok();
    let told = sandbox.weaker().iter().any(|text| text.contains("memory"));
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    assert!(
        enforced || (told && !is_root()),
        "limits are off, and nobody says so"
    );
    enforced
}

/// Somebody else's app, which must go on as if nothing happened.
pub(super) struct Neighbour {
    case: Case,
    sandbox: Sandbox,
    pid: i32,
}

impl Neighbour {
    /// Starts it and waits until it answers.
    pub(super) async fn start() -> Self {
        let mut case = shell(
            "echo mine > /tmp/secret; exec python3 -u -m http.server 8080 --bind 127.0.0.1 --directory /tmp",
        );
        case.spec.env.push(("SECRET".to_owned(), "mine".to_owned()));
        case.spec.limits.memory = Some(128 << 20);
        let sandbox = case.spawn().await;
        let pid = running(&sandbox).await;
        let neighbour = Self { case, sandbox, pid };
        let deadline = std::time::Instant::now() + crate::sandbox::support::PATIENCE;
        while let Err(error) = neighbour.ask().await {
            assert!(std::time::Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        neighbour
    }

    /// The command's process as the host sees it.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn case(&self) -> &Case {
        &self.case
    }

    async fn ask(&self) -> std::io::Result<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = pastina::sandbox::dial(&self.case.spec.dir, 8080).await?;
        stream.write_all(b"GET /secret HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Asserts that it is the same process still, and answers.
    pub(super) async fn noticed_nothing(self) {
        assert_eq!(running(&self.sandbox).await, self.pid);
        let answer = self.ask().await.unwrap();
        assert!(answer.ends_with("mine\n"), "{answer}");
        self.sandbox.stop(Duration::ZERO);
        ended(&self.sandbox).await;
        self.case.left_nothing().await;
    }
}
