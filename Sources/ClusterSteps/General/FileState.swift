package import ClusterModel
import FoundationEssentials
package import RemoteShell
import RunEngine

/// `file.state`: what is at a path of a host, and what is in it when that is not what is wanted.
package struct FileState: Fact {
    package enum Kind: Codable, Sendable, Hashable {
        case absent, file, folder, other
        case link(to: String)
    }

    package struct Value: Codable, Sendable, Hashable {
        package let kind: Kind
        /// Octal digits, as `stat` prints them; empty unless it is a file.
        package let mode: String
        package let owner: String
        package let group: String
        package let ownerID: String
        package let groupID: String
        package let bytes: Int64
        /// In hex; empty unless it is a file.
        package let sha256: String
        /// nil when it was not asked for, is what is wanted, or is larger than the limit.
        package let content: [UInt8]?

        /// Whether it belongs to a user, given by name or by number.
        func isOwned(by name: String?) -> Bool { name == nil || name == owner || name == ownerID }
        func isOwned(byGroup name: String?) -> Bool { name == nil || name == group || name == groupID }
        /// Whether it has a mode, whatever zeros are in front of it.
        func has(mode wanted: String?) -> Bool { wanted == nil || Self.digits(wanted ?? "") == Self.digits(mode) }

        private static func digits(_ text: String) -> Substring { text.drop { $0 == "0" } }
    }

    package static let name = "file.state"
    /// Longest content that is shown or edited; in base64, so that many files of a host stay one answer.
    static let longestContent = 65536

    let path: String
    /// Content with this digest need not be told; `-` for all of it.
    let except: String
    let isSecret: Bool

    package init(_ path: String, unless digest: String? = nil, isSecret: Bool = false) {
        self.path = path
        except = digest ?? "-"
        self.isSecret = isSecret
    }

    package var command: RemoteCommand {
        RemoteCommand(Self.script, [path, except, isSecret ? "-1" : String(Self.longestContent)])
    }

    /// `$1` path, `$2` digest of what need not be told, `$3` most bytes that are told.
    private static let script: StaticString = """
        echo '[kind]'
        if [ -L "$1" ]; then printf 'link %s\\n' "$(readlink -- "$1")"
        elif [ -f "$1" ]; then echo file
        elif [ -d "$1" ]; then echo folder
        elif [ -e "$1" ]; then echo other
        else echo absent; fi
        echo '[attributes]'; sum=; size=
        if [ -f "$1" ] && [ ! -L "$1" ]; then
            stat -c '%a %U %G %u %g' -- "$1"
            sum=$(timeout 8 sha256sum <"$1") && sum=${sum%% *} && size=$(stat -c %s -- "$1")
        fi
        echo '[digest]'; [ -z "$size" ] || echo "$sum $size"
        echo '[content]'
        if [ -n "$size" ] && [ "$sum" != "$2" ] && [ "$size" -le "$3" ]; then echo told; base64 -w 0 <"$1"; echo; fi
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let kind = try Self.kind(try output.line("kind"))
        let told = try output.rows("attributes").first ?? []
        let digest = try output.rows("digest").first ?? []
        guard kind != .file || (told.count == 5 && digest.count == 2) else {
            throw OperatorMessage(.refused, "it cannot be read within 8 s")
        }
        let content = try output.lines("content")
        let bytes = content.isEmpty ? nil : Data(base64Encoded: content.dropFirst().joined())
        return Value(
            kind: kind,
            mode: told.first ?? "",
            owner: told.dropFirst().first ?? "",
            group: told.dropFirst(2).first ?? "",
            ownerID: told.dropFirst(3).first ?? "",
            groupID: told.dropFirst(4).first ?? "",
            bytes: digest.last.flatMap { Int64($0) } ?? 0,
            sha256: digest.first ?? "",
            content: bytes.map { Array($0) }
        )
    }

    private static func kind(_ line: String) throws -> Kind {
        switch line {
        case "absent": return .absent
        case "file": return .file
        case "folder": return .folder
        case "other": return .other
        case _ where line.hasPrefix("link "): return .link(to: String(line.dropFirst(5)))
        default: throw IncompleteAnswer(section: "kind")
        }
    }

    /// All but the content, which the digest stands for.
    package func bound(_ value: Value) throws -> JSONValue? {
        guard value.kind == .file else { return try JSONValue(encoding: ["kind": "\(value.kind)"]) }
        return .object([
            "path": .string(path), "mode": .string(value.mode), "owner": .string("\(value.owner):\(value.group)"),
            "sha256": .string(value.sha256),
        ])
    }
}
