//! A program without std that links convoy-core.
//!
//! It has a panic handler and an allocator of its own. Were std brought in by core or by anything below
//! it, there would be two of each, and this would not build. It is built, never run.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use convoy_core::{Seed, engine};
use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr::null_mut,
};

struct Nothing;

// SAFETY: an allocator may fail, and this one always does.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Keeps the whole engine in the link.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> *mut engine::Engine {
    Box::into_raw(Box::new(engine::Engine::new(engine::Config::default(), Seed::default())))
}
