//! WebAssembly components that answer HTTP (`wasi:http/incoming-handler`).
//!
//! Two roles of the platform's binary live here, both inside the sandbox of the app that they
//! serve, so that a fault of the engine is no fault of the platform: [`compile::main`] turns a
//! component into machine code while it is staged, [`host::main`] serves it, every request
//! with an instance of its own. The daemon itself never runs a component.

pub mod compile;
pub mod host;

mod budget;
mod component;
mod engine;
mod epoch;
mod refusal;
mod service;
mod settings;
mod state;

#[cfg(test)]
mod tests;

pub use compile::main as compile_main;
pub use component::WasmError;
