package import ClusterModel
package import RemoteShell
import RunEngine

/// What became of connections that a host really tried to make.
///
/// They are closed at once, without a byte sent; servers with TLS may log a failed handshake.
package struct DialledPorts: Fact {
    package static let name = "host.dialled"

    /// How long an answer may take.
    static let patience = Duration.seconds(3)

    private let plan: DialPlan

    package init(_ plan: DialPlan) { self.plan = plan }

    package enum Outcome: Codable, Sendable, Hashable {
        case connected, refused, silent
        /// Anything else, in the kernel's words: `No route to host`.
        case failed(String)
        /// So many others took so long that its turn did not come.
        case untried
    }

    package struct Dialled: Codable, Sendable, Hashable {
        package let address: String
        package let port: Int
        package let outcome: Outcome
    }

    package struct Value: Codable, Sendable, Hashable {
        package let dialled: [Dialled]
        /// A program that it takes and that is not there.
        package let missing: String?

        func outcome(of dial: DialPlan.Dial) -> Outcome {
            dialled.first { $0.address == dial.address && $0.port == dial.port }?.outcome ?? .untried
        }
    }

    /// 128 at a time, none after 6 s: whatever the number and the network, it is over within 10 s.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[missing]'
            for program in bash timeout; do
                command -v "$program" >/dev/null 2>&1 || { echo "$program"; set --; }
            done
            echo '[dialled]'
            export LC_ALL=C
            dial() {
                said=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1)
                code=$?
                said=$(printf '%s\\n' "$said" | tail -n 1)
                echo "$1 $2 $code ${said##*: }"
            }
            begun=$(date +%s)
            count=0
            while [ $# -gt 1 ]; do
                dial "$1" "$2" &
                shift 2
                count=$((count + 1))
                if [ $((count % 128)) -eq 0 ]; then
                    wait
                    [ $(($(date +%s) - begun)) -lt 6 ] || break
                fi
            done
            wait
            echo '[end]'
            """,
            plan.dials.flatMap { [$0.address, String($0.port)] },
            as: .login
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let dialled = try output.lines("dialled").compactMap { line -> Dialled? in
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            guard words.count >= 3, let port = Int(words[1]), let code = Int(words[2]) else { return nil }
            let outcome: Outcome =
                switch (code, words.count > 3 ? words[3] : "") {
                case (0, _): .connected
                case (_, "Connection refused"): .refused
                // 124 is timeout's own code; the kernel itself gives up only after minutes.
                case (124, _), (_, "Connection timed out"): .silent
                case (_, let said): .failed(said.isEmpty ? "bash ended with \(code)" : said)
                }
            return Dialled(address: words[0], port: port, outcome: outcome)
        }
        return Value(
            dialled: dialled.sorted { ($0.address, $0.port) < ($1.address, $1.port) },
            missing: try output.lines("missing").first
        )
    }

    /// Nothing is ever changed because of it.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
