//! The gateway from outside, over real sockets.
