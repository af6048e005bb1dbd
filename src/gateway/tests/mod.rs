//! The gateway from outside, over real sockets.

mod bed;
mod contract;
mod direct;
mod drain;
mod http1;
mod http2;
mod retry;
mod route_service;
mod site;
mod tcp;
mod upgrade;
