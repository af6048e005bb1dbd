//! How the executables are linked.

fn main() {
    // A position-independent static executable carries a relocation for each pointer in its
    // data. Packed they take a fiftieth of the room. glibc 2.36 (Debian 12) knows them.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
}
