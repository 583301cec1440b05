# syntax=docker/dockerfile:1

# ---- Build ----
FROM rust:1.89-slim-bookworm AS build
# (ring compiles a little C; the slim image has gcc and libc6-dev for linking.)
WORKDIR /src

# First only the dependencies: this layer is built again only when the
# manifests change. The workspace's members must exist for Cargo to read them.
COPY Cargo.toml Cargo.lock ./
COPY sandbox/Cargo.toml sandbox/Cargo.toml
# So must the bench that Cargo.toml names.
RUN mkdir -p src benches sandbox/src \
    && echo 'fn main() {}' > benches/passes.rs \
    && echo '' > src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && echo '' > sandbox/src/lib.rs \
    && echo 'fn main() {}' > sandbox/src/main.rs \
    && cargo build --release --locked -p usher \
    && rm -rf src sandbox/src

# Then our own code. `-p usher` alone: building the whole workspace would mix
# the sandbox's features (test clocks) into the shipped binary.
COPY src src
RUN mkdir -p sandbox/src \
    && echo '' > sandbox/src/lib.rs \
    && echo 'fn main() {}' > sandbox/src/main.rs \
    && find src -type f -exec touch {} + \
    && cargo build --release --locked -p usher \
    && mkdir -p /image/app/state

# ---- Ship ----
# Only libc, libgcc and CA files; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:latest
COPY --from=build /src/target/release/usher /usr/local/bin/usher
# TrueNAS runs its apps as 568; `user:` may name any other, as long as that
# user may write the state folder.
COPY --from=build --chown=568:568 /image/app /app
USER 568:568
WORKDIR /app
ENV STATE_DIR=/app/state
VOLUME /app/state
# The public door. The admin door stays on 127.0.0.1:8481 inside.
EXPOSE 8480
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/usher", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/usher"]
CMD ["run"]
