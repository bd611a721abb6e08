// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Addresses ordered by a 32-bit block number; those of one block in the order of insertion.
///
/// Occupied blocks are bits in a tree of 256-bit words, four levels deep: a word's bit says that
/// the word below it is not empty, so finding the next occupied block reads at most seven words.
/// The addresses of one block form a ring of which the last one is known.
library BlockIndex {
    uint256 private constant LEVELS = 4;

    struct Entry {
        address next;
        uint32 target;
    }

    struct Index {
        mapping(uint256 level => mapping(uint256 prefix => uint256 bits)) words;
        mapping(uint256 target => address last) rings;
        mapping(address member => Entry) entries;
    }

    /// Whether `member` was inserted.
    function contains(Index storage self, address member) internal view returns (bool) {
        return self.entries[member].next != address(0);
    }

    /// Inserts `member`, which must not be in the index, at `target`.
    function insert(Index storage self, address member, uint32 target) internal {
        address last = self.rings[target];
        self.rings[target] = member;
        if (last == address(0)) {
            self.entries[member] = Entry(member, target);
            mark(self, target);
        } else {
            self.entries[member] = Entry(self.entries[last].next, target);
            self.entries[last].next = member;
        }
    }

    /// The first member at `target` or later; zero if there is none.
    function firstFrom(Index storage self, uint256 target) internal view returns (address) {
        if (target > type(uint32).max) return address(0);
        (bool found, uint256 block_) = nextOccupied(self, target);
        return found ? self.entries[self.rings[block_]].next : address(0);
    }

    /// The member after `member`; zero if there is none or `member` is not in the index.
    function after_(Index storage self, address member) internal view returns (address) {
        Entry storage entry = self.entries[member];
        if (entry.next == address(0)) return address(0);
        if (self.rings[entry.target] != member) return entry.next;
        return firstFrom(self, uint256(entry.target) + 1);
    }

    function mark(Index storage self, uint256 target) private {
        for (uint256 level = 0; level < LEVELS; ++level) {
            uint256 bit = 1 << (target & 0xff);
            target >>= 8;
            uint256 word = self.words[level][target];
            if (word & bit != 0) return;
            self.words[level][target] = word | bit;
            // The words above know of this one already if it had any bit.
            if (word != 0) return;
        }
    }

    function nextOccupied(Index storage self, uint256 target)
        private
        view
        returns (bool found, uint256 position)
    {
        position = target;
        uint256 level = 0;
        uint256 bits;
        // Up, until a word has a bit at or after the position. On every level but the first the
        // position's own bit was searched already, so the search goes on behind it.
        while (true) {
            bits = self.words[level][position >> 8] & (type(uint256).max << (position & 0xff));
            if (bits != 0) break;
            do {
                if (++level == LEVELS) return (false, 0);
                position >>= 8;
            } while (position & 0xff == 0xff);
            ++position;
        }
        // Down again, along the lowest bits.
        while (true) {
            position = (position & ~uint256(0xff)) | lowestBit(bits);
            if (level == 0) return (true, position);
            --level;
            bits = self.words[level][position];
            position <<= 8;
        }
    }

    /// The number of the lowest bit that is set in `word`, which is not zero.
    function lowestBit(uint256 word) private pure returns (uint256 number) {
        unchecked {
            word &= ~word + 1;
        }
        for (uint256 half = 128; half != 0; half >>= 1) {
            if (word >> half != 0) {
                word >>= half;
                number += half;
            }
        }
    }
}
