//! The native core behind `checker._core`: one module for each subject, this file only names them to Python.

use pyo3::prelude::*;

mod history;
mod search;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    history::register(module)?;
    search::register(module)
}
