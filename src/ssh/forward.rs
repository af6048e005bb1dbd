//! `-L`: connections that a client has opened inside.

use std::{pin::pin, time::Duration};

use russh::{ChannelWriteHalf, server::Msg};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc::UnboundedReceiver, oneshot},
    time::{sleep, timeout},
};

use super::{Shared, channel::Input, entry::Guest, gate::Gate};
use crate::sandbox;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// Output that is not taken for so long waits for the client.
const PATIENCE: Duration = Duration::from_millis(200);

/// Names of the instance itself, as clients write them.
const ITSELF: [&str; 6] = ["localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0", ""];

/// Whether a client that asks for `host` means the instance.
pub(super) fn is_inside(host: &str) -> bool {
    ITSELF.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// A connection to a port of the instance.
pub(super) async fn connect(
    shared: &Shared,
    guest: &Guest,
    port: u32,
) -> Result<TcpStream, String> {
    let port = u16::try_from(port).map_err(|_| format!("there is no port {port}"))?;
    let dir = guest.sandbox(shared)?;
    match timeout(CONNECT, sandbox::dial(&dir, port)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it takes too long".to_owned()),
    }
}

/// Moves bytes both ways until both are at their end, or the client has closed the channel.
pub(super) async fn run(
    stream: TcpStream,
    mut input: UnboundedReceiver<Input>,
    output: ChannelWriteHalf<Msg>,
    gate: Gate,
) {
    let (mut from, mut to) = stream.into_split();
    let (ended, mut half) = oneshot::channel::<()>();
    let inward = async {
        let mut ended = Some(ended);
        while let Some(came) = input.recv().await {
            match came {
                Input::Data(data) => {
                    if ended.is_some() && to.write_all(&data).await.is_err() {
                        ended = None;
                    }
                    gate.used(data.len());
                }
                Input::End => {
                    // The other way goes on.
                    let _ = to.shutdown().await;
                    ended = None;
                }
            }
        }
    };
    let outward = async {
        let mut client = output.make_writer();
        let mut buffer = vec![0; 32 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let mut write = pin!(client.write_all(&buffer[..count]));
            let written = tokio::select! {
                written = &mut write => written,
                () = sleep(PATIENCE) => {
                    let _blocked = gate.block();
                    write.await
                }
            };
            if written.is_err() {
                break;
            }
        }
        let _ = output.eof().await;
    };
    let (mut inward, mut outward) = (pin!(inward), pin!(outward));
    let (mut all_came, mut all_went) = (false, false);
    while !(all_came && all_went) {
        tokio::select! {
            // The client has closed the channel.
            () = &mut inward => break,
            _ = &mut half, if !all_came => all_came = true,
            () = &mut outward, if !all_went => all_went = true,
        }
    }
    let _ = output.close().await;
}
