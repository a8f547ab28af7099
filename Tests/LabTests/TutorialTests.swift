import Foundation
import Testing

extension LabSuite {
    /// `Docs/Tutorial.md`, run as it stands.
    @Suite("the tutorial")
    struct TutorialTests {
        /// A fenced block: `yaml NAME` is a file, `sh` is run, `text` is what the one before it prints.
        private struct Block {
            let language: String
            let name: String
            let text: String
        }

        private static func blocks() throws -> [Block] {
            let tool = URL(filePath: Lab.here.tool)
            let root = tool.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            var blocks: [Block] = []
            var open: (head: [String], lines: [String])?
            for line in LabTests.text(of: root.path + "/Docs/Tutorial.md").split(
                separator: "\n",
                omittingEmptySubsequences: false
            ) {
                guard line.hasPrefix("```") else {
                    open?.lines.append(String(line))
                    continue
                }
                if let block = open {
                    let text = block.lines.map { $0 + "\n" }.joined()
                    blocks.append(Block(language: block.head[0], name: block.head.last ?? "", text: text))
                    open = nil
                } else {
                    open = (line.dropFirst(3).split(separator: " ").map(String.init), [])
                }
            }
            return blocks
        }

        @Test("every block of it does what it says")
        func tutorial() async throws {
            let blocks = try Self.blocks()
            try #require(blocks.count >= 12, "Docs/Tutorial.md was not found")
            let controller = try Controller()
            let workers = ["worker1", "worker2"]
            let file = "/etc/sysctl.d/60-keepalive.conf"
            let live = "/proc/sys/net/ipv4/tcp_keepalive_time"
            var before: [String: String] = [:]
            for worker in workers { before[worker] = try await Lab.here.shell(worker, "rm -f \(file); cat \(live)") }
            var last: Answer?
            for block in blocks {
                switch block.language {
                case "yaml":
                    try Data(block.text.utf8).write(to: URL(filePath: controller.folder.path + "/" + block.name))
                case "sh":
                    last = try await controller.bash("set -e\nrollbook() { \"$ROLLBOOK\" \"$@\"; }\n" + block.text)
                    try #require(last?.code == 0, "\(block.text)\(last.map(String.init(describing:)) ?? "")")
                default:
                    let said = (last?.output ?? "") + (last?.errors ?? "")
                    for line in block.text.split(separator: "\n") {
                        let wanted = line.trimmingCharacters(in: .whitespaces)
                        #expect(said.contains(wanted), "'\(wanted)' is not in:\n\(said)")
                    }
                }
            }
            for worker in workers {
                let found = try await Lab.here.shell(worker, "cat \(file) \(live)")
                #expect(found == "net.ipv4.tcp_keepalive_time = 600\n600\n")
                try await Lab.here.shell(worker, "rm -f \(file); echo \"$1\" >\(live)", before[worker] ?? "7200")
            }
            #expect(try await controller.runs().map(\.status) == ["done", "done", "done"])
        }
    }
}
