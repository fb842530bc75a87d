# passflow, and the simulated Bytemark of its examples.
FROM rust:1.95-bookworm AS build
WORKDIR /passflow
COPY . .
RUN cargo build --locked --release --bin passflow --example bytemark_simulator

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home passflow
COPY --from=build /passflow/target/release/passflow /passflow/target/release/examples/bytemark_simulator /usr/local/bin/
USER passflow
WORKDIR /home/passflow
ENTRYPOINT ["passflow"]
CMD ["run"]
