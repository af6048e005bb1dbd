//! A request's body on its way to a backend.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{sync::oneshot, time::Sleep};

use super::BodyError;

/// How long a backend may leave `Expect: 100-continue` unanswered before the body is sent
/// anyway (RFC 9110, 10.1.1); servers of HTTP/1.0 never answer it.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What became of a request's body.
#[derive(Debug, Default)]
pub(in crate::gateway) struct UploadState {
    bytes: Cell<u64>,
    done: Cell<bool>,
    abandoned: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl UploadState {
    /// Bytes that went to the backend.
    pub(in crate::gateway) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    pub(in crate::gateway) fn add(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Whether the whole body went to the backend.
    pub(in crate::gateway) fn is_done(&self) -> bool {
        self.done.get()
    }

    /// Ends the upload with an error, since nobody waits for its outcome any more.
    pub(in crate::gateway) fn abandon(&self) {
        self.abandoned.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A request's body on its way to a backend.
#[derive(Debug)]
pub(in crate::gateway) struct Upload {
    body: Option<Incoming>,
    state: Rc<UploadState>,
    gate: Option<Gate>,
}

/// Holds a body back until the backend asks for it.
#[derive(Debug)]
struct Gate {
    asked: Option<oneshot::Receiver<()>>,
    patience: Pin<Box<Sleep>>,
}

impl Upload {
    /// A body of nothing is never polled, so that its request can be sent again.
    pub(in crate::gateway) fn new(body: Incoming) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        let state = Rc::new(UploadState::default());
        state.done.set(body.is_none());
        Self {
            body,
            state,
            gate: None,
        }
    }

    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.body.is_none()
    }

    pub(in crate::gateway) fn state(&self) -> &Rc<UploadState> {
        &self.state
    }

    /// The empty body of a second attempt.
    pub(in crate::gateway) fn nothing(state: &Rc<UploadState>) -> Self {
        Self {
            body: None,
            state: Rc::clone(state),
            gate: None,
        }
    }

    /// Holds the body back until `asked` gives a value, or for a second.
    pub(in crate::gateway) fn wait_for(&mut self, asked: oneshot::Receiver<()>) {
        let patience = Box::pin(tokio::time::sleep(CONTINUE_WAIT));
        self.gate = Some(Gate {
            asked: Some(asked),
            patience,
        });
    }
}

impl Gate {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(asked) = &mut self.asked {
            match Pin::new(asked).poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(()),
                // The final response came first: then the body stays here until the
                // exchange is over and the upload abandoned.
                Poll::Ready(Err(_)) => self.asked = None,
                Poll::Pending => return self.patience.as_mut().poll(cx),
            }
        }
        Poll::Pending
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        if this.state.abandoned.get() {
            return Poll::Ready(Some(Err(
                "the response came before the end of the body".into()
            )));
        }
        this.state.waker.replace(Some(cx.waker().clone()));
        if let Some(gate) = &mut this.gate {
            ready!(gate.poll_open(cx));
            this.gate = None;
        }
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.state
                    .add(frame.data_ref().map_or(0, |data| data.len() as u64));
                this.state
                    .done
                    .set(frame.is_trailers() || body.is_end_stream());
            }
            Some(Err(_)) => {}
            None => this.state.done.set(true),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}
