-- name: of
SELECT subject, block_number, block_hash, found FROM searches
WHERE chain = %(chain)s AND contract = %(contract)s;

-- name: note
INSERT INTO searches (chain, contract, subject, block_number, block_hash, found)
VALUES (%(chain)s, %(contract)s, %(subject)s, %(number)s, %(block)s, %(found)s)
ON CONFLICT (chain, contract, subject) DO UPDATE SET block_number = excluded.block_number,
    block_hash = excluded.block_hash, found = excluded.found;

-- name: keep
DELETE FROM searches
WHERE chain = %(chain)s AND contract = %(contract)s
  AND subject NOT IN (SELECT json_array_elements_text(%(subjects)s::json));
