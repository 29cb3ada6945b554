mod config;
mod graphs;
