//! How the engine is set: the same for compiling and for serving, since code that was
//! compiled for another setting is refused.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use super::component::WasmError;

/// The extension of compiled components.
pub(super) const COMPILED: &str = "cwasm";

/// Parts of one component that the pool has room for. JavaScript needs about five of each
/// and Python, which is linked of many modules, about thirty; room that is not used is
/// address space alone.
const CORE_INSTANCES: u32 = 40;
const TABLES: u32 = 24;
const MEMORIES: u32 = 4;

/// Memory of an ended instance that stays mapped for the next: what a small guest touches.
/// Giving it back costs more than clearing it.
const KEPT_MEMORY: usize = 256 * 1024;
const KEPT_TABLE: usize = 32 * 1024;
const KEPT_STACK: usize = 16 * 1024;

/// How many ended instances are given back to the kernel together, since each time
/// interrupts every core that runs this process.
const GIVEN_BACK_TOGETHER: usize = 64;

/// An engine that compiles.
pub(super) fn compiler() -> Result<Engine, WasmError> {
    Engine::new(&settings()).map_err(WasmError::Engine)
}

/// An engine that runs at most `instances` components at once out of a pool.
pub(super) fn server(instances: u32) -> Result<Engine, WasmError> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        .async_stack_keep_resident(KEPT_STACK)
        .decommit_batch_size(GIVEN_BACK_TOGETHER);
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(WasmError::Engine)
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}
