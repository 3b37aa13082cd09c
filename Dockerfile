FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/tenure /tenure

# glibc and certificate authorities, no shell; runs as user 65532, whose home takes the sqlite file.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /tenure /usr/local/bin/tenure
WORKDIR /home/nonroot
ENV TENURE_LISTEN=0.0.0.0 APP_PORT=3000
EXPOSE 3000
# No HEALTHCHECK: there is no curl in here, and Docker would restart nothing. Whoever does restart
# instances asks them over HTTP, at /.well-known/live and /.well-known/ready.
ENTRYPOINT ["tenure"]
CMD ["run"]
