//! The store from its own inside: what survives, what is refused, what is told.

mod backup;
mod corrupt;
mod damage;
mod device;
mod fixture;
mod full;
mod golden;
mod group;
mod kill;
mod power;
mod runs;
mod services;
mod sim;
mod usage;
