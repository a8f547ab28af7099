import Testing

@Suite("The modules and their arrows")
struct ImportRules {
    /// What each module may import of ours and of packages; the picture is in Sources/README.md.
    static let allowed: [String: Set<String>] = [
        "ClusterModel": [],
        "RemoteShell": ["ClusterModel"],
        "Journal": ["ClusterModel", "Crypto", "SystemPackage"],
        "RunEngine": ["ClusterModel", "Journal", "RemoteShell", "Crypto", "Logging"],
        "EtcdSnapshot": ["Crypto"],
        "BackupStore": ["ClusterModel", "EtcdSnapshot", "Crypto", "SystemPackage", "Subprocess"],
        "ClusterSteps": ["BackupStore", "ClusterModel", "EtcdSnapshot", "Journal", "RemoteShell", "RunEngine"],
        "Manifests": ["ClusterModel", "RunEngine", "CYaml", "Crypto", "SystemPackage", "Yams"],
        "SSHTransport": [
            "CLibSSH2", "ClusterModel", "RemoteShell", "Crypto", "CryptoExtras", "Logging", "NIOConcurrencyHelpers",
            "NIOCore",
            "NIOPosix", "SystemPackage",
        ],
        "HTMLReport": ["BackupStore", "ClusterModel", "ClusterSteps", "Journal", "RunEngine", "Mustache"],
        "RollbookCLI": [
            "BackupStore", "ClusterModel", "ClusterSteps", "EtcdSnapshot", "HTMLReport", "Journal", "Manifests",
            "RemoteShell", "RunEngine", "SSHTransport", "ShippedRunbooks", "ArgumentParser", "Crypto", "Logging",
            "Subprocess",
            "SystemPackage",
        ],
        "rollbook": ["RollbookCLI"],
        "TestSupport": ["ClusterModel", "Journal", "RemoteShell", "RunEngine", "Subprocess", "SystemPackage"],
    ]
    /// Parts of the toolchain.
    static let always: Set<String> = [
        "Darwin", "Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Musl", "Synchronization", "Swift",
    ]

    @Test("every module imports only what its place allows")
    func imports() throws {
        #expect(SourceTree.sources.count > 100)
        for file in SourceTree.sources {
            let rules = try #require(Self.allowed[file.module], "\(file.module) has no rule")
            for name in file.imports where !Self.always.contains(name) {
                #expect(rules.contains(name), "Sources/\(file.path) imports \(name)")
            }
        }
    }

    @Test("TestSupport appears in tests only")
    func testSupport() {
        for file in SourceTree.sources where file.module != "TestSupport" {
            #expect(!file.imports.contains("TestSupport"), "\(file.path)")
        }
    }
}
