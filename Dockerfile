# The image of moc_jobs, and of every other program of the project (docs/containers.md):
#   docker build -t moc_jobs -f Dockerfile .
#
#   BASE     Debian or Ubuntu with a Python 3.10 to 3.13 that has its venv
#   CONFIG   the config.json that moc_jobs finds; NETWORK: which of its networks, unless told
#   PIP_…    where the packages come from, as pip's own variables say it; they do not stay in the image
ARG BASE=python:3.13.7-slim-bookworm

FROM ${BASE} AS build
ARG PIP_CERT
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# What installs stays behind: the environment that goes into the image has neither pip nor setuptools.
COPY requirements.txt requirements-aws.txt requirements-image.txt requirements-postgresql.txt ./
RUN python3 -m venv tools \
    && tools/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-image.txt \
    && python3 -m venv --without-pip /opt/scheduler \
    && tools/bin/pip --python /opt/scheduler/bin/python install --quiet \
        --require-hashes --only-binary :all: \
        -r requirements.txt -r requirements-aws.txt -r requirements-postgresql.txt
# AWS's library describes each of its services, some 400, in a fifth of all that is installed. Those
# that stay are what the programs ask, and what it asks itself for credentials.
RUN find /opt/scheduler/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name cloudwatch ! -name secretsmanager ! -name ssm \
        ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} +
COPY setup.py pyproject.toml README.md LICENSE ./
COPY conf.d conf.d
COPY scheduler scheduler
# Late, so that what is above is built once for all environments.
ARG CONFIG=config.json
COPY ${CONFIG} config.json
RUN tools/bin/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist . \
    && tools/bin/pip --python /opt/scheduler/bin/python install --quiet --no-index --no-deps dist/*.whl

FROM ${BASE}
ARG NETWORK=
# A number, so that it is no other user of the machine whose volume this is.
RUN groupadd --gid 10001 scheduler \
    && useradd --uid 10001 --gid 10001 --home-dir /data/scheduler --shell /usr/sbin/nologin scheduler \
    && install --directory --owner 10001 --group 10001 /data/scheduler
COPY --from=build /opt/scheduler /opt/scheduler
ENV PATH=/opt/scheduler/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MOC_JOBS_NETWORK=${NETWORK}
# The journal, unless it is in a database (SCHEDULER_JOURNAL): give it a volume that outlives the
# container. Nothing else is written.
VOLUME /data/scheduler
WORKDIR /data/scheduler
USER 10001:10001
STOPSIGNAL SIGTERM
# Only what a new start mends: that the program turns, and its database.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=2 \
    CMD ["scheduler", "doctor", "--liveness"]
CMD ["moc_jobs"]
