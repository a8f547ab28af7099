// swift-tools-version: 6.2
import PackageDescription

/// Whether the package is built for `make fuzz`: every target of ours counts its branches and checks its memory.
let fuzzes = Context.environment["ROLLBOOK_FUZZ"] == "1"

/// The language that all targets are written in; each name was compared with `swiftc -print-supported-features` (a test repeats that).
let language: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335: a protocol used as a type says `any`
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444: a file imports what it uses
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409: imports do not leak into interfaces
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461: async functions stay on the caller's actor
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),  // SE-0458: unsafe code is marked
]

/// What every Swift target is built with.
let strict = language + (fuzzes ? [.unsafeFlags(["-sanitize=fuzzer,address"])] : [])

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let mustache: Target.Dependency = .product(name: "Mustache", package: "swift-mustache")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A library target; the arrows between targets are explained in Sources/README.md and held by ArchitectureTests.
func library(_ name: String, _ dependencies: [Target.Dependency] = [], embedding files: [String] = []) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        exclude: documents[name] ?? [],
        resources: files.map { .embedInCode($0) },
        swiftSettings: strict
    )
}

/// Format specifications live beside the code that implements them; SwiftPM has to be told that they are not sources.
let documents = [
    "Journal": ["Format.md"],
    "BackupStore": ["Format.md"],
    "RemoteShell": ["Format.md"],
    "RunEngine": ["Format.md"],
]

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], fixtures: Bool = false) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        exclude: fixtures ? ["Fixtures"] : [],
        swiftSettings: strict
    )
}

/// The program of `make fuzz`; it links libFuzzer, which no other build needs.
let fuzzer: [Target] = [
    .systemLibrary(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
    .executableTarget(
        name: "rollbook-fuzz",
        dependencies: ["CLibFuzzer", "FuzzedParsers"],
        path: "Fuzz/rollbook-fuzz",
        swiftSettings: strict,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]
    ),
]

let package = Package(
    name: "rollbook",
    products: [
        .executable(name: "rollbook", targets: ["rollbook"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // Product
        .executableTarget(name: "rollbook", dependencies: ["RollbookCLI"], swiftSettings: strict),
        library(
            "RollbookCLI",
            [
                "BackupStore", "ClusterModel", "ClusterSteps", "EtcdSnapshot", "HTMLReport", "Journal", "Manifests",
                "RemoteShell", "RunEngine", "SSHTransport", "ShippedRunbooks", argumentParser, logging, crypto, system,
                subprocess,
            ]
        ),
        library(
            "HTMLReport",
            ["BackupStore", "ClusterModel", "ClusterSteps", "Journal", "RunEngine", mustache],
            embedding: ["page.css", "page.mustache", "step.mustache"]
        ),
        .target(
            name: "ShippedRunbooks",
            path: "Runbooks",
            exclude: ["README.md"],
            resources: [
                .embedInCode("etcd-maintenance.yaml"),
                .embedInCode("etcd-member-remove.yaml"), .embedInCode("etcd-member-replace.yaml"),
                .embedInCode("etcd-restore.yaml"),
                .embedInCode("nightly-backup.yaml"), .embedInCode("preflight.yaml"),
                .embedInCode("rolling-upgrade.yaml"),
            ],
            swiftSettings: strict
        ),

        // Operations
        library("BackupStore", ["ClusterModel", "EtcdSnapshot", crypto, system, subprocess]),
        library("ClusterSteps", ["BackupStore", "ClusterModel", "EtcdSnapshot", "RemoteShell", "RunEngine"]),
        library("EtcdSnapshot", [crypto]),
        library(
            "Manifests",
            ["ClusterModel", "RunEngine", crypto, system, .product(name: "Yams", package: "Yams")]
        ),

        // Engine
        library("ClusterModel"),
        library("Journal", ["ClusterModel", crypto, system]),
        library("RemoteShell", ["ClusterModel"]),
        library("RunEngine", ["ClusterModel", "Journal", "RemoteShell", crypto, logging]),

        // Transport
        .systemLibrary(name: "CLibSSH2", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
        library(
            "SSHTransport",
            ["CLibSSH2", "ClusterModel", "RemoteShell", crypto, cryptoExtras, logging, nioCore, nioPosix, system]
        ),

        // Measurements (Docs/Performance.md)
        .executableTarget(
            name: "rollbook-bench",
            dependencies: [
                "ClusterModel", "RemoteShell", "RunEngine", "SSHTransport", crypto, logging, system,
            ],
            path: "Benchmarks/rollbook-bench",
            swiftSettings: strict
        ),

        // Everything that reads bytes others wrote (Fuzz/README.md)
        .target(
            name: "FuzzedParsers",
            dependencies: [
                "BackupStore", "ClusterModel", "ClusterSteps", "EtcdSnapshot", "Journal", "Manifests", "RemoteShell",
                "RunEngine", "SSHTransport", crypto, system,
            ],
            path: "Fuzz/Parsers",
            swiftSettings: strict
        ),

        // Tests
        library("TestSupport", ["ClusterModel", "Journal", "RemoteShell", "RunEngine", subprocess, system]),
        tests("ArchitectureTests"),
        tests(
            "BackupStoreTests",
            ["BackupStore", "ClusterModel", "EtcdSnapshot", "TestSupport", system],
            fixtures: true
        ),
        tests("CanaryTests", ["TestSupport", subprocess, system]),
        tests("ClusterModelTests", ["ClusterModel"], fixtures: true),
        tests(
            "ClusterStepsTests",
            [
                "BackupStore", "ClusterModel", "ClusterSteps", "Journal", "Manifests", "RemoteShell", "RunEngine",
                "ShippedRunbooks", "TestSupport", system,
            ],
            fixtures: true
        ),
        tests("EtcdSnapshotTests", ["EtcdSnapshot", crypto], fixtures: true),
        tests("FuzzTests", ["FuzzedParsers", "TestSupport"]),
        tests(
            "HTMLReportTests",
            ["ClusterModel", "HTMLReport", "Journal", "RunEngine", "TestSupport"],
            fixtures: true
        ),
        tests("JournalTests", ["ClusterModel", "Journal", "TestSupport", crypto, system], fixtures: true),
        tests("LabTests", ["TestSupport", subprocess, system]),
        tests(
            "ManifestsTests",
            ["ClusterModel", "ClusterSteps", "Manifests", "RunEngine", "TestSupport"],
            fixtures: true
        ),
        tests("RemoteShellTests", ["ClusterModel", "RemoteShell", "TestSupport"]),
        tests(
            "RollbookCLITests",
            [
                "ClusterModel", "ClusterSteps", "EtcdSnapshot", "Journal", "RemoteShell", "RollbookCLI", "RunEngine",
                "TestSupport", system,
            ],
            fixtures: true
        ),
        tests(
            "RunEngineTests",
            ["ClusterModel", "Journal", "RemoteShell", "RunEngine", "TestSupport"],
            fixtures: true
        ),
        tests(
            "SSHTransportTests",
            [
                "ClusterModel", "RemoteShell", "SSHTransport", "TestSupport", logging, nioCore, nioEmbedded, nioPosix,
                crypto,
            ],
            fixtures: true
        ),
    ] + (fuzzes ? fuzzer : []),
    swiftLanguageModes: [.v6]
)
