import ClusterModel
import RemoteShell

/// What a fact made of kubectl printed: lines of columns between tabs, the first says what a line is about, the last line is `end`.
struct KubernetesRows {
    let rows: [[String]]

    /// - Throws: `OperatorMessage` with kubectl's complaint when it failed, `IncompleteAnswer` when the last line is missing.
    init(_ answer: ProbeBatch.Answer) throws {
        guard answer.exitCode == 0 else {
            let said = String(decoding: answer.errorOutput, as: UTF8.self)
            let why: String =
                switch answer.exitCode {
                case 124: "the API server took longer than kubectl was given"
                case 127: "there is no kubectl on this host"
                default: KubernetesAPI.complaint(said) ?? "kubectl ended with \(answer.exitCode)"
                }
            throw OperatorMessage(.refused, why, next: "rollbook health")
        }
        var rows = answer.text.split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        guard rows.popLast() == ["end"] else { throw IncompleteAnswer(section: "end") }
        self.rows = rows
    }

    /// The lines about one thing, without their first column; each has at least so many columns.
    func about(_ what: String, columns: Int) throws(IncompleteAnswer) -> [[String]] {
        var found: [[String]] = []
        for row in rows where row.first == what {
            guard row.count > columns else { throw IncompleteAnswer(section: what) }
            found.append(Array(row.dropFirst()))
        }
        return found
    }
}
