mod client;
mod properties;
