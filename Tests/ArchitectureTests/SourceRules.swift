import Foundation
import Testing

@Suite("What sources must not contain")
struct SourceRules {
    @Test("below the command line nothing prints or reads arguments, environment or clock")
    func surroundings() {
        let words = ["print(", "CommandLine.", "ProcessInfo", "getenv(", "Date()", "ContinuousClock", "clock_gettime"]
        for file in SourceTree.sources where !["RollbookCLI", "rollbook", "TestSupport"].contains(file.module) {
            for line in file.code {
                for word in words where line.contains(word) {
                    let isCall = word != "print(" || line.contains(#/(^|[^A-Za-z.])print\(/#)
                    #expect(!isCall, "Sources/\(file.path): \(line.trimmingCharacters(in: .whitespaces))")
                }
            }
        }
    }

    @Test("nothing is forced, and nothing is left for later")
    func forced() {
        let words = ["try!", "as!", "fatalError(", "TODO", "FIXME", "XXX"]
        for file in SourceTree.sources {
            for line in file.lines {
                for word in words where line.contains(word) {
                    Issue.record("Sources/\(file.path): \(word)")
                }
            }
        }
    }

    @Test("@unchecked Sendable comes with a sentence that says why it holds")
    func unchecked() {
        for file in SourceTree.sources {
            for (index, line) in file.lines.enumerated() where line.contains("@unchecked Sendable") {
                guard !line.trimmingCharacters(in: .whitespaces).hasPrefix("//") else { continue }
                let before = file.lines[max(0, index - 10)..<index].joined(separator: "\n")
                #expect(before.contains("@unchecked Sendable"), "Sources/\(file.path):\(index + 1)")
            }
        }
    }

    /// Files at the edge to C and the kernel; a new one is added here on purpose or not at all.
    static let unsafeModules: Set<String> = ["SSHTransport"]
    static let unsafeFiles: Set<String> = [
        "BackupStore", "ClusterModel/Secret.swift", "EtcdSnapshot/ByteLoads.swift", "EtcdSnapshot/SnapshotFile.swift",
        "Journal/SystemCalls.swift", "Manifests/ManifestFile.swift", "Manifests/YAML/YAMLEvents.swift", "RemoteShell",
        "RollbookCLI", "RunEngine/Planning/FactCache.swift", "TestSupport",
    ]

    @Test("unsafe code stays at the edges that are known")
    func unsafe() {
        for file in SourceTree.sources where !Self.unsafeModules.contains(file.module) {
            guard file.code.contains(where: { $0.contains("unsafe ") && $0.contains(#/(^|[^A-Za-z])unsafe /#) }) else {
                continue
            }
            let isKnown = Self.unsafeFiles.contains(file.path) || Self.unsafeFiles.contains(file.module)
            #expect(isKnown, "Sources/\(file.path) has unsafe code")
        }
    }

    @Test("the engine knows no runbook and no step by name")
    func names() {
        let words = ["nightly-backup", "rolling-upgrade", "\"etcd.", "\"backup.", "\"files."]
        for file in SourceTree.sources where ["RunEngine", "Journal"].contains(file.module) {
            for line in file.lines where !line.trimmingCharacters(in: .whitespaces).hasPrefix("//") {
                for word in words { #expect(!line.contains(word), "Sources/\(file.path): \(line)") }
            }
        }
    }

    @Test("planning holds nothing that can change a host but the cache that reads facts")
    func planning() {
        for file in SourceTree.sources where file.path.hasPrefix("RunEngine/Planning/") {
            guard !file.path.hasSuffix("FactCache.swift") else { continue }
            #expect(!file.code.contains { $0.contains("HostConnection") }, "Sources/\(file.path)")
        }
    }

    @Test("no file is longer than 400 lines")
    func length() {
        for file in SourceTree.sources { #expect(file.lines.count <= 400, "Sources/\(file.path)") }
    }

    @Test("the feature names in Package.swift exist; a misspelt one would be taken without a word")
    func features() async throws {
        let manifest = try String(contentsOf: SourceTree.root.appending(path: "Package.swift"), encoding: .utf8)
        let wanted = manifest.matches(of: #/enableUpcomingFeature\("([A-Za-z]+)"\)/#).map { String($0.1) }
        #expect(wanted.count >= 4)
        let compiler = Foundation.Process()
        compiler.executableURL = URL(filePath: "/usr/bin/env")
        compiler.arguments = ["swiftc", "-print-supported-features"]
        let pipe = Pipe()
        compiler.standardOutput = pipe
        try compiler.run()
        let known = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        compiler.waitUntilExit()
        for name in wanted { #expect(known.contains("\"\(name)\""), "\(name)") }
    }
}
