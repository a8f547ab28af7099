/// A terminal in memory: as much of ECMA-48 as the live view may use, and a failure for everything else.
struct ScreenTrial {
    private(set) var width: Int
    private(set) var height: Int
    /// Lines that were scrolled out at the top, and the visible ones below them.
    private(set) var history: [String] = []
    private var cells: [[Character]]
    private var line = 0
    private var column = 0
    private var wraps = true
    /// Sequences that it does not know.
    private(set) var strange: [String] = []

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        cells = Array(repeating: [], count: height)
    }

    /// Visible lines without those that are empty at the end.
    var visible: [String] {
        var lines = cells.map { row in
            var text = String(row)
            while text.last == " " { text.removeLast() }
            return text
        }
        while lines.last?.isEmpty ?? false { lines.removeLast() }
        return lines
    }

    var everything: [String] { history + visible }
    var isAtRest: Bool { wraps && column == 0 }

    mutating func write(_ text: String) {
        var scalars = text.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            switch scalar {
            case "\r": column = 0
            case "\n": feed()
            case "\u{1B}":
                guard scalars.next() == "[" else {
                    strange.append("ESC without [")
                    continue
                }
                var parameter = ""
                while let next = scalars.next() {
                    guard next.value >= 0x40 else {
                        parameter.unicodeScalars.append(next)
                        continue
                    }
                    obey(parameter, next)
                    break
                }
            default: put(Character(scalar))
            }
        }
    }

    private mutating func obey(_ parameter: String, _ command: Unicode.Scalar) {
        switch (command, parameter) {
        case ("A", _): line = max(0, line - (Int(parameter) ?? 1))
        case ("K", ""): cells[line] = Array(cells[line].prefix(column))
        case ("J", ""):
            cells[line] = Array(cells[line].prefix(column))
            for below in (line + 1)..<max(line + 1, height) { cells[below] = [] }
        case ("h", "?7"): wraps = true
        case ("l", "?7"): wraps = false
        case ("m", _): break
        default: strange.append("\(parameter)\(command)")
        }
    }

    private mutating func feed() {
        guard line == height - 1 else { return line += 1 }
        history.append(String(cells.removeFirst()))
        cells.append([])
    }

    private mutating func put(_ character: Character) {
        if column >= width {
            if wraps {
                column = 0
                feed()
            } else {
                column = width - 1
            }
        }
        while cells[line].count < column { cells[line].append(" ") }
        if column < cells[line].count { cells[line][column] = character } else { cells[line].append(character) }
        column += 1
    }
}
