"""The distribution `scheduler-kit`: the package `scheduler`, its commands and its data files."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
EXAMPLES = [
    f"examples/jobs/{path.name}" for path in sorted((HERE / "examples/jobs").glob("*.toml"))
]
PROGRAM_FILES = [f"conf.d/{path.name}" for path in sorted((HERE / "conf.d").glob("*.conf"))]

setup(
    name="scheduler-kit",
    version="0.1.0",
    description="Executes scheduled calls of the Ethereum Alarm Clock at their target block",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    author="the scheduler-kit authors",
    python_requires=">=3.10,<3.14",
    # With the root named, an editable install is one .pth line instead of an import hook
    # that every running program would carry.
    package_dir={"": "."},
    packages=find_packages(include=["scheduler", "scheduler.*"]),
    package_data={
        "scheduler": [
            "py.typed",
            "*.toml",
            "**/*.toml",
            "**/*.js",
            "**/*.sql",
            "**/*.sol",
            "devchain/pins/*",
        ]
    },
    # The program files live at the root of the repository, where an operator looks for them;
    # an installed package finds them under its prefix (scheduler/supervision.py).
    # config.json is that of `moc_jobs` (scheduler/moc_config.py).
    data_files=[
        ("share/scheduler-kit/conf.d", PROGRAM_FILES),
        ("share/scheduler-kit", ["config.json"]),
        ("share/scheduler-kit/examples/jobs", EXAMPLES),
    ],
    install_requires=[
        "click>=8.1",
        "coincurve>=20",
        "eth-abi>=5",
        "eth-account>=0.13",
        "eth-hash[pycryptodome]>=0.7",
        "eth-keys>=0.6",
        "eth-utils>=5",
        "h11>=0.14",
        "prometheus-client>=0.20",
        "pydantic>=2,<3",
        "requests>=2.31",
        "rich>=13",
        "rlp>=4",
        "tomli>=2; python_version < '3.11'",
        "web3>=8,<9",
        "websockets>=13",
    ],
    # What only some boxes need: docs/dependencies.md says which, requirements-aws.txt and
    # requirements-postgresql.txt pin it.
    extras_require={"aws": ["boto3>=1.28"], "postgresql": ["psycopg[binary]>=3.3.1"]},
    entry_points={
        "console_scripts": [
            "scheduler=scheduler.entry:main",
            "eth_alarm=scheduler.entry:eth_alarm",
            "moc_jobs=scheduler.entry:moc_jobs",
        ]
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
