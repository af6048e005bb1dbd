//! TCP routes: ports of the host whose connections go to instances as they are.
//!
//! Each port has a socket as long as a route of the table has the port. They are served on the
//! platform's runtime: what goes on there after a connection is open is copying.

mod carry;
mod port;
mod ports;

pub(super) use ports::serve;
